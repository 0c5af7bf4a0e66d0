-- Tables that are being filled with COPY in this database, by the subscription's own copy (its
-- sessions are called $1) or by the suite's. 14 and later.
-- A size takes a lock on its table, for which this does not wait.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       p.bytes_processed AS bytes,
       p.tuples_processed AS rows,
       CASE WHEN NOT EXISTS (SELECT 1 FROM pg_locks l
                             WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock'
                               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
            THEN pg_table_size(c.oid) END AS disk_bytes
  FROM pg_stat_progress_copy p
  JOIN pg_stat_activity a ON a.pid = p.pid
  JOIN pg_class c ON c.oid = p.relid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE p.datname = current_database() AND p.command = 'COPY FROM'
   AND (a.application_name = $1::text OR a.application_name LIKE 'pgl-%');
