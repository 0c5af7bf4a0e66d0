-- Ends the sessions of this database that hold the advisory lock with keys $1 and $2, but for this one; only
-- processes $3, unless that is null. How many there were.
SELECT count(pg_catalog.pg_terminate_backend(l.pid)) AS there
  FROM pg_catalog.pg_locks l
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
   AND l.classid::bigint = $1::bigint AND l.objid::bigint = $2::bigint
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND l.pid <> pg_catalog.pg_backend_pid() AND ($3::int[] IS NULL OR l.pid = ANY ($3::int[]))
