-- Takes back what default privileges gave of the schema that CREATE EXTENSION has just made, and of everything in it: only its
-- owner and superusers put functions there, write its tables and read the connection strings in them.
DO $pgl$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('REVOKE %s FROM %s', o.what, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
          FROM (SELECT 'CREATE ON SCHEMA pglogical' AS what, n.nspowner AS owner, n.nspacl AS acl, 'CREATE' AS privilege
                  FROM pg_namespace n
                 WHERE n.nspname = 'pglogical'
                UNION ALL
                SELECT format('%s ON TABLE %s', p.privilege, c.oid::regclass), c.relowner, c.relacl, p.privilege
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
                       unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN}'::text[]) p(privilege)
                 WHERE n.nspname = 'pglogical'
                UNION ALL
                SELECT format('EXECUTE ON FUNCTION %s', f.oid::regprocedure), f.proowner, f.proacl, 'EXECUTE'
                  FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
                 WHERE n.nspname = 'pglogical') o, aclexplode(o.acl) a
         WHERE a.privilege_type = o.privilege AND a.grantee <> o.owner
    LOOP
        EXECUTE statement;
    END LOOP;
END $pgl$;
