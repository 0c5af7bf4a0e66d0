-- Ends sessions of pgl-cutover in this database, but for this one.
SELECT pg_catalog.pg_terminate_backend(pid)
  FROM pg_catalog.pg_stat_activity
 WHERE datname = current_database() AND application_name = 'pgl-cutover'
   AND pid <> pg_catalog.pg_backend_pid()
