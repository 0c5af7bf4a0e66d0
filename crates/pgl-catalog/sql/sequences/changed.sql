-- Which of the sequences $1 (object ids) may have another state than when $2 was their last value, null for one that had not been
-- called. What the function says of a sequence that has not been called is null, whatever its value is: such a one is always among
-- them. 10 and later.
SELECT c.oid::bigint AS oid
  FROM unnest($1::bigint[], $2::bigint[]) AS known(oid, last_value)
  JOIN pg_class c ON c.oid = known.oid::oid
 WHERE known.last_value IS NULL OR pg_sequence_last_value(c.oid) IS DISTINCT FROM known.last_value
