-- Rewrite rules; that of a view is what makes it a view.
SELECT r.ev_class::int8 AS relation,
       r.rulename AS name,
       r.ev_enabled AS enabled
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN'
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
