-- Process ids of clients of this database that began before $2, but for those of $1.
SELECT a.pid
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database()
   AND a.client_port IS NOT NULL
   AND a.backend_start < $2::text::timestamptz
   AND a.pid <> ALL ($1::int[])
   AND a.pid NOT IN (SELECT r.pid FROM pg_catalog.pg_stat_replication r)
 ORDER BY a.backend_start
