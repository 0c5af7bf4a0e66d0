-- Sequences in pglogical's replication sets, and how far ahead it sends each of them.
SELECT DISTINCT r.set_seqoid::oid::bigint AS oid, s.cache_size::bigint AS ahead
  FROM pglogical.replication_set_seq r
  LEFT JOIN pglogical.sequence_state s ON s.seqoid = r.set_seqoid::oid;
