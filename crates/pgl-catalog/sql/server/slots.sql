-- Replication slots of the whole cluster. 14 and later.
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
    wal_status AS wal_status,
    -- 17 and later.
    pg_catalog.row_to_json(s) ->> 'invalidation_reason' AS invalidation_reason,
    greatest(age(xmin), age(catalog_xmin)) AS xmin_age,
    spill_txns AS spilled_transactions,
    spill_bytes AS spilled_bytes
FROM pg_catalog.pg_replication_slots AS s
LEFT JOIN pg_catalog.pg_stat_replication_slots USING (slot_name)
ORDER BY 1;
