-- The WAL sender of the process $1.
SELECT pid::bigint AS pid,
       state,
       coalesce(j ->> 'sent_lsn', j ->> 'sent_location') AS sent_lsn,
       extract(epoch FROM clock_timestamp() - backend_start)::float8 AS age
  FROM (SELECT r.*, row_to_json(r) AS j FROM pg_stat_replication r) q
 WHERE pid = $1::bigint;
