-- Ends clients that wait for a lock of process $1: they would write as soon as the lock goes.
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(l.pid)) AS ended
  FROM (SELECT DISTINCT w.pid
          FROM pg_catalog.pg_locks w
          JOIN pg_catalog.pg_locks h ON h.relation = w.relation AND h.database = w.database
          JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid AND a.client_port IS NOT NULL
         WHERE NOT w.granted AND h.granted AND h.pid = $1::int AND w.pid <> h.pid) l
