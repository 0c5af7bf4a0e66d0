-- How large tables are now. pg_relation_size waits for a lock on the table: tables that somebody has locked for himself
-- alone, or waits to, are left out. One that was dropped meanwhile has no size.
SELECT
    n.nspname AS schema,
    c.relname AS name,
    coalesce(size.bytes, 0) AS bytes,
    coalesce(size.bytes, 0) / pg_catalog.current_setting('block_size')::int8 AS pages
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL (SELECT pg_catalog.pg_relation_size(c.oid) OFFSET 0) AS size (bytes)
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin')
    AND n.nspname !~ '^pg_(toast|temp)'
    AND c.oid NOT IN (
        SELECT l.relation FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
        WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    )
