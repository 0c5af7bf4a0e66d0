-- Ends every session of a client of this database but those of the process ids $1. Walsenders and
-- background workers are no clients.
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)) AS ended
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database()
   AND a.backend_type = 'client backend'
   AND a.pid <> ALL ($1::int[])
