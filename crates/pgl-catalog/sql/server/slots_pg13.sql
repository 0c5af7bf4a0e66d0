-- Replication slots of the whole cluster. 10 to 13, which do not count what is spilled.
SELECT
    slot_name AS name,
    plugin,
    database,
    active,
    temporary AS temporary,
    CASE
        WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), restart_lsn)
        ELSE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)
    END::bigint AS retained_bytes,
    -- 13.
    pg_catalog.row_to_json(s) ->> 'wal_status' AS wal_status,
    NULL::text AS invalidation_reason,
    greatest(age(xmin), age(catalog_xmin)) AS xmin_age
FROM pg_catalog.pg_replication_slots AS s
ORDER BY 1;
