-- Ends every session of a client of this database but those of the process ids $1. Walsenders and
-- background workers are no clients.
-- Not those of superusers where this role is none: the server refuses that, and the locks hold for them, too.
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)) AS ended
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database()
   AND a.backend_type = 'client backend'
   AND a.pid <> ALL ($1::int[])
   AND ((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
        OR NOT COALESCE((SELECT u.rolsuper FROM pg_catalog.pg_roles u WHERE u.oid = a.usesysid), true))
