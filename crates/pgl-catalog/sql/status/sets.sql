-- Replication sets of this database's own node.
SELECT s.set_name::text AS name
  FROM pglogical.replication_set s
  JOIN pglogical.local_node n ON n.node_id = s.set_nodeid
 ORDER BY 1;
