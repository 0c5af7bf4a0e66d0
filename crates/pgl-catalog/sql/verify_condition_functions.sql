-- Functions of a condition, given by oid, and those of its operators: whether their arguments are numbers, dates and the like, which no
-- locale, encoding or release reads otherwise. Geometric operators round.
SELECT
    p.oid::bigint AS oid,
    ARRAY(
        SELECT o.oid::bigint FROM pg_catalog.pg_operator AS o
        WHERE o.oprcode = p.oid AND o.oid::bigint = ANY($2::bigint[])
    ) AS operators,
    n.nspname AS schema,
    p.proname AS name,
    p.prosrc AS source,
    p.provolatile = 'i' AS immutable,
    NOT EXISTS (
        SELECT 1
        FROM pg_catalog.unnest(p.proargtypes::oid[]) AS a (oid)
        JOIN pg_catalog.pg_type AS t ON t.oid = a.oid
        WHERE NOT (t.typcategory IN ('B', 'D', 'I', 'N', 'T', 'V') OR t.typname IN ('bytea', 'uuid'))
    ) AS plain
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.oid::bigint = ANY($1::bigint[])
    OR p.oid IN (SELECT o.oprcode FROM pg_catalog.pg_operator AS o WHERE o.oid::bigint = ANY($2::bigint[]))
