-- Replication sets of this database's node, with their tables and sequences counted.
SELECT s.set_name AS name,
       (SELECT count(*) FROM pglogical.replication_set_table t WHERE t.set_id = s.set_id)
     + (SELECT count(*) FROM pglogical.replication_set_seq q WHERE q.set_id = s.set_id) AS members
  FROM pglogical.replication_set s JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
 ORDER BY 1
