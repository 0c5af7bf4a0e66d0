-- Who may execute functions of schema pglogical: whether PUBLIC may, and the roles that lose it when PUBLIC loses it:
-- those that were granted the use of the schema by name.
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace,
                      pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
                WHERE n.nspname = 'pglogical' AND a.grantee = 0) AS everybody,
       ARRAY(SELECT r.rolname::text
               FROM pg_catalog.pg_roles r
              WHERE NOT r.rolsuper
                AND EXISTS (SELECT FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
                             WHERE n.nspname = 'pglogical' AND a.grantee = r.oid
                               AND a.grantee <> n.nspowner AND a.privilege_type = 'USAGE')
              ORDER BY 1) AS roles
