-- Ends clients whose session began after $1: they began while the database was closed, and would
-- stay read-only for as long as they live.
-- Not those of superusers where this role is none: the server refuses that, and the locks hold for them, too.
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)) AS ended
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database()
   AND a.client_port IS NOT NULL
   AND a.backend_start >= $1::text::timestamptz
   AND a.backend_start < clock_timestamp()
   AND a.application_name NOT LIKE 'pgl-%'
   AND ((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
        OR NOT COALESCE((SELECT u.rolsuper FROM pg_catalog.pg_roles u WHERE u.oid = a.usesysid), true))
   AND a.pid NOT IN (SELECT r.pid FROM pg_catalog.pg_stat_replication r)
