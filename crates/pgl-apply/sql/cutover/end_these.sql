-- Ends those of the processes $1 that are sessions of pgl-cutover in this database; how many are still
-- there.
SELECT count(*) AS left, count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)) AS told
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND a.application_name = 'pgl-cutover'
   AND a.pid = ANY ($1::int[]) AND a.pid <> pg_catalog.pg_backend_pid()
