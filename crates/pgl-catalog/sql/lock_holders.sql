-- Sessions of this database, on side $3, that hold the advisory lock with keys $1 and $2, but for this one.
SELECT $3::text AS side, l.pid, COALESCE(a.application_name, '') AS tool,
       COALESCE(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'a local socket' ELSE 'an unknown address' END)
           AS address,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS seconds
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
   AND l.classid::bigint = $1::bigint AND l.objid::bigint = $2::bigint
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND l.pid <> pg_catalog.pg_backend_pid()
 ORDER BY 1
