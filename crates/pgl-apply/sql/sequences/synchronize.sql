-- Has pglogical send the sequences $1 (object ids on the source) to its subscribers.
SELECT w.oid, pglogical.synchronize_sequence(w.oid::oid::regclass) AS sent
  FROM unnest($1::bigint[]) AS w(oid);
