-- The session that holds the lock of the migration whose key is $1: "pgl" in ASCII is the lock's class.
SELECT a.application_name::text AS tool,
       a.pid::bigint AS pid,
       host(a.client_addr) AS address,
       extract(epoch FROM a.backend_start)::float8 AS since
  FROM pg_locks l
  JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
   AND l.classid::bigint = 7366508 AND l.objid::bigint = $1::bigint
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND a.application_name LIKE 'pgl-%'
 LIMIT 1;
