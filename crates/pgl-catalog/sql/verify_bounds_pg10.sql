-- Which rows each partition takes, as the server writes it; null where it was dropped since this statement began. pg_get_expr
-- waits for a lock on the partition: those that somebody has locked for himself alone, or waits to, are left out.
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
    AND c.oid NOT IN (
        SELECT l.relation FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
        WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    )
ORDER BY n.nspname, c.relname
