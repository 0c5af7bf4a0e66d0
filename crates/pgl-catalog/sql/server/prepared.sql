-- Prepared transactions of the whole cluster.
SELECT
    gid,
    database,
    owner,
    extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_seconds
FROM pg_catalog.pg_prepared_xacts
ORDER BY gid;
