-- Walsenders of the whole cluster. 9.5 and later.
SELECT
    coalesce(r.application_name, '') AS application,
    r.state,
    r.sync_state,
    coalesce(s.slot_type = 'logical', false) AS logical
FROM pg_catalog.pg_stat_replication AS r
LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = r.pid
ORDER BY 1, r.pid;
