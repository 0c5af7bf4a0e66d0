-- Whether the statistics count no transaction of slot $1, and nobody has reset them; 14 and later.
SELECT total_txns = 0 AND total_bytes = 0 AND stats_reset IS NULL AS unread
  FROM pg_catalog.pg_stat_replication_slots
 WHERE slot_name = $1
