-- Whether pglogical's catalog of sequences exists and this role may read it.
SELECT count(*) = 2 AND bool_and(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
           AS readable
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'pglogical' AND c.relname IN ('replication_set_seq', 'sequence_state');
