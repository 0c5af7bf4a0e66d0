-- pglogical's truncate triggers, and whether their table is in a replication set.
SELECT n.nspname AS schema, c.relname AS "table", t.tgname AS name,
       EXISTS (SELECT FROM pglogical.replication_set_table m WHERE m.set_reloid::oid = c.oid) AS in_set
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
 WHERE f.nspname = 'pglogical' AND p.proname = 'queue_truncate'
 ORDER BY 1, 2, 3
