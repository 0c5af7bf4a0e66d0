-- What this role lacks: EXECUTE on the functions $1, which may be named without arguments, and the privileges $3 on the tables $2.
-- What the server does not have is not lacking. Before 14 functions of replication origins refuse everyone but a superuser, whatever
-- was granted.
SELECT f.name AS lacking
  FROM unnest($1::text[]) AS f(name)
  JOIN pg_catalog.pg_proc p ON f.name IN (p.proname, p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')')
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'pg_catalog'
 WHERE NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
   AND (pg_catalog.current_setting('server_version_num')::int < 140000
        OR NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
 UNION
SELECT t.privilege || ' on ' || t.name
  FROM pg_catalog.generate_subscripts($2::text[], 1) i
  CROSS JOIN LATERAL (SELECT ($2::text[])[i] AS name, ($3::text[])[i] AS privilege) t
  JOIN pg_catalog.pg_namespace n ON t.name LIKE n.nspname || '.%'
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND t.name = n.nspname || '.' || c.relname
 WHERE NOT pg_catalog.has_table_privilege(c.oid, t.privilege)
 ORDER BY 1
