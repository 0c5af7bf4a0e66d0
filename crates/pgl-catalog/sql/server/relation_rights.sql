-- Tables and sequences on which the connected role lacks something, or whose rows row
-- security may hide from it. What belongs to extensions, and
-- to pglogical and this suite, is left out.
SELECT *
FROM (
    SELECT
        n.nspname AS schema,
        c.relname AS name,
        c.relkind = 'S' AS sequence,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usage,
        pg_catalog.has_table_privilege(c.oid, 'SELECT') AS "select",
        pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owner,
        pg_catalog.pg_get_userbyid(c.relowner) AS owned_by,
        c.relkind <> 'S' AND pg_catalog.row_security_active(c.oid) AS row_security
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S')
        AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
        AND n.nspname NOT LIKE 'pg\_toast%'
        AND NOT EXISTS (
            SELECT 1
            FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass
                AND d.objid = c.oid
                AND d.deptype = 'e'
        )
) AS found
WHERE NOT (usage AND "select" AND owner) OR row_security
ORDER BY 1, 2;
