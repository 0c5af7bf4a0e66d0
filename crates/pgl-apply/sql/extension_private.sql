-- Takes back what default privileges gave of the schema that CREATE EXTENSION has just made: only its owner and superusers put
-- functions there.
DO $pgl$
DECLARE
    who text;
BEGIN
    FOR who IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
          FROM pg_namespace n, aclexplode(n.nspacl) a
         WHERE n.nspname = 'pglogical' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
    LOOP
        EXECUTE format('REVOKE CREATE ON SCHEMA pglogical FROM %s', who);
    END LOOP;
END $pgl$;
