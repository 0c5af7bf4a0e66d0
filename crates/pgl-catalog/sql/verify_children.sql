-- Tables whose rows are seen in other tables, and those: partitions and inheritance children with their parents. The rows of a
-- partition whose concurrent detachment has begun are not seen any more, and those of a temporary table by its session alone.
SELECT
    c.oid::int8 AS oid,
    n.nspname AS schema,
    c.relname AS name,
    c.relkind AS kind,
    coalesce((
        SELECT pg_catalog.json_agg(i.inhparent::int8)
        FROM pg_catalog.pg_inherits AS i
        WHERE i.inhrelid = c.oid AND (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
    ), '[]') AS parents
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f')
    AND n.nspname !~ '^pg_(toast|temp)'
    AND c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits UNION SELECT inhparent FROM pg_catalog.pg_inherits)
