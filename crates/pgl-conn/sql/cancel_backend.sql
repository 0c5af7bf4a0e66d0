-- Ends the running statement of a session by its process id and application name: true where it was that session.
-- Behind a balancer the same process id may be another's on another server.
SELECT pg_catalog.pg_cancel_backend(pid)
FROM pg_catalog.pg_stat_activity
WHERE pid = $1 AND application_name = $2 AND usename = SESSION_USER AND datname = pg_catalog.current_database();
