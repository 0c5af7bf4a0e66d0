-- The name that pglogical gives the slot of the subscription $2 in the target database $1.
SELECT pglogical.pglogical_gen_slot_name($1::name, n.node_name, $2::name)::text AS name
  FROM pglogical.local_node l JOIN pglogical.node n ON n.node_id = l.node_id;
