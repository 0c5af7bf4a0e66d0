-- Ends clients that wait for a lock of process $1: they would write as soon as the lock goes. With $2, not those of
-- superusers where this role is none: the server refuses that.
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(l.pid)) AS ended
  FROM (SELECT DISTINCT w.pid
          FROM pg_catalog.pg_locks w
          JOIN pg_catalog.pg_locks h ON h.relation = w.relation AND h.database = w.database
          JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid AND a.client_port IS NOT NULL
         WHERE NOT w.granted AND h.granted AND h.pid = $1::int AND w.pid <> h.pid
           AND (NOT $2::boolean
                OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
                OR NOT COALESCE((SELECT u.rolsuper FROM pg_catalog.pg_roles u WHERE u.oid = a.usesysid), true))) l
