-- Ends the backends of this database through which pglogical fills tables for a subscription;
-- $1 is their application_name.
SELECT pg_terminate_backend(pid)
  FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()
