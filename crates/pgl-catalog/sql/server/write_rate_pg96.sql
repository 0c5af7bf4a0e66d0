-- How fast the database changes: rows since its statistics began, and WAL unknown. Before 10.
SELECT
    (d.tup_inserted + d.tup_updated + d.tup_deleted) AS rows_changed,
    coalesce(extract(epoch FROM clock_timestamp() - d.stats_reset)::float8, 0) AS seconds,
    0 AS wal_bytes,
    0 AS wal_seconds
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = current_database();
