-- What a target has before the schema is restored, as in existing.sql. 9.4 and 9.5, where a dump
-- carries no privileges of the members of extensions.
SELECT 'schema' AS kind,
       n.nspname AS name,
       pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
       pg_catalog.obj_description(n.oid, 'pg_namespace') IS DISTINCT FROM 'standard public schema' AS comment,
       (SELECT pg_catalog.array_agg(a.given ORDER BY a.given COLLATE "C")
        FROM (SELECT CASE x.grantee WHEN n.nspowner THEN 'owner ' WHEN 0 THEN 'public ' ELSE x.grantee || ' ' END
                     || x.privilege_type || x.is_grantable AS given
              FROM pg_catalog.aclexplode(n.nspacl) x) a)
       IS DISTINCT FROM ARRAY['owner CREATEfalse', 'owner USAGEfalse', 'public USAGEfalse'] AS privileges,
       pg_catalog.pg_has_role(n.nspowner, 'USAGE') AS mine
FROM pg_catalog.pg_namespace n
WHERE n.nspname = 'public';
