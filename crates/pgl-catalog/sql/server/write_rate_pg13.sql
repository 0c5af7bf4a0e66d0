-- How fast the database changes: rows since its statistics began, and WAL since the last
-- checkpoint. 10 to 13.
SELECT
    (d.tup_inserted + d.tup_updated + d.tup_deleted) AS rows_changed,
    coalesce(extract(epoch FROM clock_timestamp() - d.stats_reset)::float8, 0) AS seconds,
    CASE
        WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN greatest(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), c.redo_lsn), 0)
        ELSE 0
    END::bigint AS wal_bytes,
    extract(epoch FROM clock_timestamp() - c.checkpoint_time)::float8 AS wal_seconds
FROM pg_catalog.pg_stat_database AS d
CROSS JOIN pg_catalog.pg_control_checkpoint() AS c
WHERE d.datname = current_database();
