-- The schema of dblink, where this database has it and the role may use it.
SELECT n.nspname::text AS schema
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'dblink' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE');
