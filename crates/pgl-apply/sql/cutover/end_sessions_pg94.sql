-- Ends every session of a client of this database but those of the process ids $1.
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)) AS ended
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database()
   AND a.pid <> ALL ($1::int[])
   AND a.client_port IS NOT NULL
   AND a.pid NOT IN (SELECT r.pid FROM pg_catalog.pg_stat_replication r)
