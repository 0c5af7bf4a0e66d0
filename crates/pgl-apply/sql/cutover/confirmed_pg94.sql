-- Whether the receiver named $1 has confirmed everything up to $2; before version 9.6 slots do not show it.
SELECT count(*) > 0 AND COALESCE(bool_and(r.flush_location >= $2::text::pg_lsn), false) AS confirmed
  FROM pg_catalog.pg_stat_replication r
  JOIN pg_catalog.pg_stat_activity a ON a.pid = r.pid
 WHERE r.application_name = $1 AND a.datname = current_database()
