-- Whether the slot $1 is confirmed up to $2.
SELECT COALESCE(bool_or(s.confirmed_flush_lsn >= $2::text::pg_lsn), false) AS confirmed
  FROM pg_catalog.pg_replication_slots s
 WHERE s.slot_name = $1
