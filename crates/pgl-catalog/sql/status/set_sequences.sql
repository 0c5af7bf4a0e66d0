-- The sequences in the replication sets $1 and the value last sent for each.
SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS name, t.last_value AS sent
  FROM pglogical.replication_set_seq r
  JOIN pglogical.replication_set s ON s.set_id = r.set_id
  JOIN pg_class c ON c.oid = r.set_seqoid::oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pglogical.sequence_state t ON t.seqoid = r.set_seqoid::oid
 WHERE s.set_name = ANY ($1::text[])
 ORDER BY 1, 2;
