-- Replication slots of the whole cluster. Before 10.
SELECT
    slot_name AS name,
    plugin,
    database,
    active,
    false AS temporary,
    CASE
        WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_xlog_location_diff(pg_catalog.pg_last_xlog_replay_location(), restart_lsn)
        ELSE pg_catalog.pg_xlog_location_diff(pg_catalog.pg_current_xlog_location(), restart_lsn)
    END::bigint AS retained_bytes,
    NULL::text AS wal_status,
    NULL::text AS invalidation_reason,
    greatest(age(xmin), age(catalog_xmin)) AS xmin_age
FROM pg_catalog.pg_replication_slots
ORDER BY 1;
