-- pglogical's processes: the supervisor, and those of this database and of the apply worker named
-- $1. A session of a client may call itself anything: it has a port, a background worker has none.
-- 9.4 and 9.5.
SELECT CASE WHEN a.application_name = $1::text THEN 'apply'
            WHEN a.application_name LIKE 'pglogical sync%' THEN 'sync'
            WHEN a.application_name LIKE 'pglogical manager%' THEN 'manager'
            ELSE 'supervisor' END AS kind,
       a.pid::bigint AS pid,
       coalesce(extract(epoch FROM a.backend_start), 0)::float8 AS started,
       CASE WHEN a.waiting THEN 'Lock' END AS wait,
       '{}'::bigint[] AS blocked_by,
       NULL::text AS blocker
  FROM pg_stat_activity a
 WHERE a.client_port IS NULL AND coalesce(row_to_json(a) ->> 'backend_type', '') <> 'parallel worker'
   AND (a.application_name = $1::text
    OR a.application_name = 'pglogical supervisor'
    OR (a.datname = current_database()
        AND (a.application_name LIKE 'pglogical manager%' OR a.application_name LIKE 'pglogical sync%')));
