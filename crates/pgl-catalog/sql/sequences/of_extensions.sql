-- Sequences that belong to an extension, by schema and name.
SELECT n.nspname AS schema, c.relname AS name, x.extname AS extension
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_depend e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
                  AND e.refclassid = 'pg_extension'::regclass
  JOIN pg_extension x ON x.oid = e.refobjid
 WHERE c.relkind = 'S'
   AND n.nspname NOT IN ('pglogical', 'pglogical_origin', 'pgl')
 ORDER BY 1, 2;
