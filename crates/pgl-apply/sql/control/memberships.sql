-- Membership of table $1 in the sets $2 of this node: columns and rows that they carry.
SELECT s.set_name::text AS set,
       t.set_att_list AS columns,
       pg_get_expr(t.set_row_filter, t.set_reloid) AS filter
  FROM pglogical.replication_set_table t
  JOIN pglogical.replication_set s ON s.set_id = t.set_id
  JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
 WHERE t.set_reloid = $1::text::regclass
   AND s.set_name::text = ANY ($2::text[])
 ORDER BY 1
