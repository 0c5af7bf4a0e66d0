-- How fast the database changes: rows since its statistics began, and WAL since the server's
-- statistics began. 14 and later.
SELECT
    (d.tup_inserted + d.tup_updated + d.tup_deleted) AS rows_changed,
    coalesce(extract(epoch FROM clock_timestamp() - d.stats_reset)::float8, 0) AS seconds,
    w.wal_bytes::bigint AS wal_bytes,
    coalesce(extract(epoch FROM clock_timestamp() - w.stats_reset)::float8, 0) AS wal_seconds
FROM pg_catalog.pg_stat_database AS d
CROSS JOIN pg_catalog.pg_stat_wal AS w
WHERE d.datname = current_database();
