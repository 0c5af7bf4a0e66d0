-- pglogical's processes: the supervisor, and those of this database and of the apply worker named
-- $1. 9.6 and later.
SELECT CASE WHEN a.application_name = $1::text THEN 'apply'
            WHEN a.application_name LIKE 'pglogical sync%' THEN 'sync'
            WHEN a.application_name LIKE 'pglogical manager%' THEN 'manager'
            ELSE 'supervisor' END AS kind,
       a.pid::bigint AS pid,
       coalesce(extract(epoch FROM a.backend_start), 0)::float8 AS started,
       a.wait_event_type || ': ' || a.wait_event AS wait,
       coalesce(b.pids, '{}') AS blocked_by,
       (SELECT coalesce(h.usename, '?') || ' (' || coalesce(nullif(h.application_name, ''), 'no name') || '): '
               || left(coalesce(h.query, '?'), 80)
          FROM pg_stat_activity h WHERE h.pid = b.pids[1]) AS blocker
  FROM pg_stat_activity a
  LEFT JOIN LATERAL (SELECT pg_blocking_pids(a.pid) AS pids WHERE a.wait_event_type = 'Lock') b ON true
 WHERE a.application_name = $1::text
    OR a.application_name = 'pglogical supervisor'
    OR (a.datname = current_database()
        AND (a.application_name LIKE 'pglogical manager%' OR a.application_name LIKE 'pglogical sync%'));
