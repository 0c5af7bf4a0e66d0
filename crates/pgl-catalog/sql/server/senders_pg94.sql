-- Walsenders of the whole cluster. 9.4, which does not tell who reads from which slot.
SELECT
    coalesce(application_name, '') AS application,
    state,
    sync_state,
    EXISTS (
        SELECT 1
        FROM pg_catalog.pg_replication_slots AS s
        WHERE s.slot_type = 'logical' AND s.active AND s.slot_name LIKE '%' || application_name
    ) AS logical
FROM pg_catalog.pg_stat_replication
ORDER BY 1, pid;
