-- The WAL sender of the process $1; where that is null, that of the subscription $2 (before 9.5 a slot does not name the process). reply_time is there from 12, what it waits for from 10.
SELECT pid::bigint AS pid,
       state,
       coalesce(j ->> 'sent_lsn', j ->> 'sent_location') AS sent_lsn,
       coalesce(j ->> 'flush_lsn', j ->> 'flush_location') AS flush_lsn,
       extract(epoch FROM clock_timestamp() - backend_start)::float8 AS age,
       application_name::text AS application,
       date_trunc('second', (j ->> 'reply_time')::timestamptz)::text AS replied_at,
       extract(epoch FROM clock_timestamp() - (j ->> 'reply_time')::timestamptz)::float8 AS replied_ago,
       (SELECT row_to_json(a) ->> 'wait_event' FROM pg_stat_activity a WHERE a.pid = q.pid) AS wait
  FROM (SELECT r.*, row_to_json(r) AS j FROM pg_stat_replication r) q
 WHERE pid = $1::bigint OR ($1::bigint IS NULL AND application_name = $2::text);
