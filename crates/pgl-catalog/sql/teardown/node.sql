-- The pglogical node that this database is; no row where it is none.
SELECT n.node_name AS name FROM pglogical.local_node l JOIN pglogical.node n USING (node_id)
