-- Relations, functions and types that were written by transaction $1 or a later one, by name, to say what has changed.
SELECT format('%s %I.%I', CASE c.relkind WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
                                         WHEN 'm' THEN 'materialized view' ELSE 'table' END,
              n.nspname, c.relname) AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE age(c.xmin) <= age($1::text::xid)
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('pgl', 'pglogical', 'pglogical_origin', 'information_schema')
UNION ALL
SELECT format('function %I.%I', n.nspname, p.proname)
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE age(p.xmin) <= age($1::text::xid)
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('pgl', 'pglogical', 'pglogical_origin', 'information_schema')
 ORDER BY 1
 LIMIT 20
