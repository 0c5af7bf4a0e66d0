-- Partitions, and partitioned tables. An index can have partitions, too.
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, up.inhparent::int8 AS parent
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN (
    SELECT i.inhrelid, i.inhparent
    FROM pg_catalog.pg_inherits AS i
    JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
    WHERE p.relkind = 'p'
) AS up ON up.inhrelid = c.oid
WHERE c.relkind = 'p' OR up.inhparent IS NOT NULL
