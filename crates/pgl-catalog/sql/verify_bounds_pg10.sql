-- Which rows each partition takes, as the server writes it. Of the partition itself pg_get_expr needs nothing, because a bound
-- has no columns; with its OID it would wait for a lock on it.
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_expr(c.relpartbound, 0) AS bound
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
ORDER BY n.nspname, c.relname
