-- The WAL sender of the process $1. reply_time is there from 12, what it waits for from 10.
SELECT pid::bigint AS pid,
       state,
       coalesce(j ->> 'sent_lsn', j ->> 'sent_location') AS sent_lsn,
       extract(epoch FROM clock_timestamp() - backend_start)::float8 AS age,
       application_name::text AS application,
       date_trunc('second', (j ->> 'reply_time')::timestamptz)::text AS replied_at,
       extract(epoch FROM clock_timestamp() - (j ->> 'reply_time')::timestamptz)::float8 AS replied_ago,
       (SELECT row_to_json(a) ->> 'wait_event' FROM pg_stat_activity a WHERE a.pid = q.pid) AS wait
  FROM (SELECT r.*, row_to_json(r) AS j FROM pg_stat_replication r) q
 WHERE pid = $1::bigint;
