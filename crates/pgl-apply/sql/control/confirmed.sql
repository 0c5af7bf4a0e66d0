-- What the target has confirmed of slot $1; 9.6 and later.
SELECT confirmed_flush_lsn::text AS position FROM pg_replication_slots
 WHERE slot_name = $1 AND confirmed_flush_lsn IS NOT NULL
