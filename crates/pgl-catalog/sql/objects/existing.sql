-- What a target has before the schema is restored, and a schema dump speaks of all the same: schema
-- public and the members of extensions, with what such a dump would say. 9.6 and later.
SELECT 'schema' AS kind,
       n.nspname AS name,
       pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
       pg_catalog.obj_description(n.oid, 'pg_namespace') IS DISTINCT FROM 'standard public schema' AS comment,
       -- pg_dump takes the privileges that the schema has since 15 for the ordinary ones.
       (SELECT pg_catalog.array_agg(a.given ORDER BY a.given COLLATE "C")
        FROM (SELECT CASE x.grantee WHEN n.nspowner THEN 'owner ' WHEN 0 THEN 'public ' ELSE x.grantee || ' ' END
                     || x.privilege_type || x.is_grantable AS given
              FROM pg_catalog.aclexplode(n.nspacl) x) a)
       IS DISTINCT FROM ARRAY['owner CREATEfalse', 'owner USAGEfalse', 'public USAGEfalse'] AS privileges,
       pg_catalog.pg_has_role(n.nspowner, 'USAGE') AS mine
FROM pg_catalog.pg_namespace n
WHERE n.nspname = 'public'
UNION ALL
SELECT 'extension',
       e.extname,
       pg_catalog.pg_get_userbyid(e.extowner),
       false,
       pg_catalog.bool_or(
           (SELECT pg_catalog.array_agg(a::text ORDER BY a::text COLLATE "C")
            FROM pg_catalog.unnest(coalesce(o.acl, pg_catalog.acldefault(o.kind, o.owner))) a)
           IS DISTINCT FROM
           (SELECT pg_catalog.array_agg(a::text ORDER BY a::text COLLATE "C")
            FROM pg_catalog.unnest(coalesce(i.initprivs, pg_catalog.acldefault(o.kind, o.owner))) a)),
       pg_catalog.bool_and(pg_catalog.pg_has_role(o.owner, 'USAGE'))
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d
  ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
JOIN (SELECT 'pg_catalog.pg_class'::regclass AS class, c.oid, c.relowner AS owner, c.relacl AS acl,
             CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS kind
      FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL
      SELECT 'pg_catalog.pg_proc'::regclass, p.oid, p.proowner, p.proacl, 'f' FROM pg_catalog.pg_proc p
      UNION ALL
      SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typowner, t.typacl, 'T' FROM pg_catalog.pg_type t
      UNION ALL
      SELECT 'pg_catalog.pg_namespace'::regclass, s.oid, s.nspowner, s.nspacl, 'n' FROM pg_catalog.pg_namespace s
     ) o ON o.class = d.classid AND o.oid = d.objid
LEFT JOIN pg_catalog.pg_init_privs i
       ON i.classoid = d.classid AND i.objoid = d.objid AND i.objsubid = 0
-- What pglogical brings is never restored.
WHERE e.extname NOT IN ('pglogical', 'pglogical_origin')
GROUP BY e.extname, e.extowner
ORDER BY 1, 2;
