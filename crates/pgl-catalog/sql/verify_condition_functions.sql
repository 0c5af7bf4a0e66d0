-- Functions of a condition, given by oid, and those of its operators: whether they may see text, or values of any type, and what defines
-- those that are neither the server's nor an extension's.
SELECT
    p.oid::bigint AS oid,
    ARRAY(
        SELECT o.oid::bigint FROM pg_catalog.pg_operator AS o
        WHERE o.oprcode = p.oid AND o.oid::bigint = ANY($2::bigint[])
    ) AS operators,
    n.nspname AS schema,
    p.proname AS name,
    p.prosrc AS source,
    CASE
        WHEN n.nspname <> 'pg_catalog' AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
        ) THEN pg_catalog.pg_get_functiondef(p.oid)
    END AS definition,
    EXISTS (
        SELECT 1
        FROM pg_catalog.unnest(p.proargtypes::oid[]) AS a (oid)
        JOIN pg_catalog.pg_type AS t ON t.oid = a.oid
        WHERE t.typtype = 'p'
    ) AS polymorphic,
    p.provolatile = 'i' AS immutable,
    p.provolatile = 'v' AS volatile,
    NOT EXISTS (
        SELECT 1
        FROM pg_catalog.unnest(p.proargtypes::oid[]) AS a (oid)
        JOIN pg_catalog.pg_type AS t ON t.oid = a.oid
        WHERE NOT (t.typcategory IN ('B', 'D', 'G', 'I', 'N', 'T', 'V') OR t.typname IN ('bytea', 'char', 'name', 'uuid'))
    ) AS plain
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.oid::bigint = ANY($1::bigint[])
    OR p.oid IN (SELECT o.oprcode FROM pg_catalog.pg_operator AS o WHERE o.oid::bigint = ANY($2::bigint[]))
