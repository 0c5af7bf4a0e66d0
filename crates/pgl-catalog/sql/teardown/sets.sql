-- Replication sets of this database's node, each with its tables and sequences counted.
SELECT json_build_array(s.set_name,
           (SELECT count(*) FROM pglogical.replication_set_table t WHERE t.set_id = s.set_id)
         + (SELECT count(*) FROM pglogical.replication_set_seq q WHERE q.set_id = s.set_id)) AS members
  FROM pglogical.replication_set s JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
 ORDER BY s.set_name
