-- pglogical's processes: the supervisor, and those of this database and of the apply worker named
-- $1. A session of a client may call itself anything: it has a port, a background worker has none.
-- 9.6 and later.
SELECT CASE WHEN a.application_name = $1::text THEN 'apply'
            WHEN a.application_name LIKE 'pglogical sync%' THEN 'sync'
            WHEN a.application_name LIKE 'pglogical manager%' THEN 'manager'
            ELSE 'supervisor' END AS kind,
       a.pid::bigint AS pid,
       coalesce(extract(epoch FROM a.backend_start), 0)::float8 AS started,
       a.wait_event_type || ': ' || a.wait_event AS wait,
       coalesce(b.pids, '{}') AS blocked_by,
       (SELECT coalesce(h.usename, '?') || ' (' || coalesce(nullif(h.application_name, ''), 'no application_name')
               || ') from ' || coalesce(host(h.client_addr), 'a local socket') || ', ' || coalesce(h.state, '?')
               || ', in a transaction since ' || coalesce(date_trunc('second', h.xact_start)::text, '?')
          FROM pg_stat_activity h WHERE h.pid = b.pids[1]) AS blocker
  FROM pg_stat_activity a
  LEFT JOIN LATERAL (SELECT pg_blocking_pids(a.pid) AS pids WHERE a.wait_event_type = 'Lock') b ON true
 WHERE a.client_port IS NULL AND coalesce(row_to_json(a) ->> 'backend_type', '') <> 'parallel worker'
   AND (a.application_name = $1::text
    OR a.application_name = 'pglogical supervisor'
    OR (a.datname = current_database()
        AND (a.application_name LIKE 'pglogical manager%' OR a.application_name LIKE 'pglogical sync%')));
