-- Views of the user over the server's own views. Catalog tables leave no trace in pg_depend; the
-- views over them do.
SELECT DISTINCT r.ev_class::int8 AS view,
       s.nspname || '.' || t.relname AS needs
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND s.nspname IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
