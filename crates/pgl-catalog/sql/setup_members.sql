-- Members of this node's replication sets: tables and sequences.
SELECT s.set_name AS set, n.nspname AS schema, c.relname AS name
  FROM pglogical.replication_set s
  JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
  JOIN (SELECT set_id, set_reloid::oid AS reloid FROM pglogical.replication_set_table
        UNION ALL
        SELECT set_id, set_seqoid::oid FROM pglogical.replication_set_seq) m ON m.set_id = s.set_id
  JOIN pg_class c ON c.oid = m.reloid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY 1, 2, 3
