-- The pglogical node that this database is.
SELECT n.node_name AS name, i.if_dsn <> '' AS has_dsn
  FROM pglogical.local_node l
  JOIN pglogical.node n USING (node_id)
  JOIN pglogical.node_interface i ON i.if_id = l.node_local_interface
