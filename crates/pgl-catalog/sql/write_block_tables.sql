-- The tables ($1 schemas, $2 names) and everything above them: a statement on a partitioned table fires the
-- triggers of that table alone. The state of the trigger that is there already: it may have stayed from an attempt.
WITH RECURSIVE named AS (
    SELECT c.oid
      FROM unnest($1::text[], $2::text[]) AS w(schema, name)
      JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
     UNION
    SELECT i.inhparent FROM named JOIN pg_catalog.pg_inherits i ON i.inhrelid = named.oid
)
SELECT json_build_object('schema', n.nspname, 'name', c.relname) AS "table",
       (SELECT t.tgenabled::text FROM pg_catalog.pg_trigger t
         WHERE t.tgrelid = c.oid AND t.tgname = 'pgl_refuse_write') AS enabled
  FROM named
  JOIN pg_catalog.pg_class c ON c.oid = named.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'pg_catalog'
 ORDER BY n.nspname, c.relname
