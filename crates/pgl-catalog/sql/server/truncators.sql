-- Roles without superuser rights that own tables or hold TRUNCATE on them.
SELECT
    coalesce(r.rolname, 'public') AS role,
    count(*) AS tables,
    min(t.label) AS example,
    (
        SELECT pg_catalog.has_schema_privilege(coalesce(r.rolname, 'public'), n.oid, 'USAGE')
        FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname = 'pglogical'
    ) AS pglogical_usage
FROM (
    SELECT c.oid, n.nspname || '.' || c.relname AS label, c.relowner AS role
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
        AND c.relpersistence = 'p'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
        AND n.nspname NOT LIKE 'pg\_toast%'
    UNION
    SELECT c.oid, n.nspname || '.' || c.relname, a.grantee
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
    WHERE c.relkind IN ('r', 'p')
        AND c.relpersistence = 'p'
        AND a.privilege_type = 'TRUNCATE'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
        AND n.nspname NOT LIKE 'pg\_toast%'
) AS t
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = t.role
WHERE NOT coalesce(r.rolsuper, false)
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    )
GROUP BY r.rolname
ORDER BY 1;
