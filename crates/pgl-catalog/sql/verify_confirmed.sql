-- How far these slots' receiver has confirmed to have applied and flushed; 9.6 and later. Before 13 there is no min(pg_lsn).
SELECT (SELECT s.confirmed_flush_lsn
          FROM pg_catalog.pg_replication_slots AS s
         WHERE s.slot_name = ANY ($1)
         ORDER BY s.confirmed_flush_lsn
         LIMIT 1)::text AS lsn
