-- Owners and grantees of the objects in this database; what belongs to extensions is left out, and
-- roles that every server has.
WITH schemas AS (
    SELECT oid, nspname, nspowner
    FROM pg_catalog.pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
        AND nspname NOT LIKE 'pg\_toast%'
        AND nspname NOT LIKE 'pg\_temp%'
),

owned AS (
    SELECT 'pg_catalog.pg_class'::regclass AS class, c.oid, c.relowner AS role
    FROM pg_catalog.pg_class AS c
    JOIN schemas AS s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, p.proowner
    FROM pg_catalog.pg_proc AS p
    JOIN schemas AS s ON s.oid = p.pronamespace
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typowner
    FROM pg_catalog.pg_type AS t
    JOIN schemas AS s ON s.oid = t.typnamespace
    WHERE t.typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT 'pg_catalog.pg_namespace'::regclass, s.oid, s.nspowner
    FROM schemas AS s
    WHERE s.nspname <> 'public'
),

owners AS (
    SELECT o.role, count(*) AS owned
    FROM owned AS o
    WHERE NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e'
    )
    GROUP BY o.role
),

grantees AS (
    SELECT refobjid AS role, count(DISTINCT (classid, objid)) AS granted
    FROM pg_catalog.pg_shdepend
    WHERE refclassid = 'pg_catalog.pg_authid'::regclass
        AND deptype IN ('a', 'r')
        AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    GROUP BY refobjid
)

SELECT
    r.rolname AS role,
    r.rolsuper AS superuser,
    coalesce(o.owned, 0) AS owned,
    coalesce(g.granted, 0) AS granted
FROM pg_catalog.pg_roles AS r
LEFT JOIN owners AS o ON o.role = r.oid
LEFT JOIN grantees AS g ON g.role = r.oid
WHERE (o.role IS NOT NULL OR g.role IS NOT NULL) AND r.oid NOT IN (
    -- Predefined roles have ids below those of anything made later.
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname LIKE 'pg\_%' AND oid < 16384
)
ORDER BY 1;
