-- Sets the sequences $1 (object ids) to the values $2 and the flags $3, in one round trip.
SELECT w.oid, setval(w.oid::oid::regclass, w.last_value, w.is_called) AS last_value
  FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS w(oid, last_value, is_called);
