-- How far these slots' receiver has confirmed to have applied and flushed; 9.6 and later.
SELECT min(s.confirmed_flush_lsn)::text AS lsn
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_name = ANY ($1)
