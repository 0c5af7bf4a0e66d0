-- The tables in the replication sets $1 and their sizes with TOAST, in bytes. Not from the view pglogical.tables: the
-- session reads no views.
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_table_size(c.oid) AS value
  FROM (SELECT DISTINCT st.set_reloid::oid AS relid
          FROM pglogical.replication_set_table st
          JOIN pglogical.replication_set s ON s.set_id = st.set_id
          JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
         WHERE s.set_name::text = ANY ($1::text[])) t
  JOIN pg_class c ON c.oid = t.relid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY 1, 2;
