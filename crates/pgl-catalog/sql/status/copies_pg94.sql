-- Tables that are being filled with COPY in this database, by the subscription's own copy (its
-- sessions are called $1) or by the suite's. 9.4 and 9.5: the table's name stands in the query.
-- A size takes a lock on its table, for which this does not wait.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       NULL::bigint AS bytes,
       NULL::bigint AS rows,
       CASE WHEN NOT EXISTS (SELECT 1 FROM pg_locks l
                             WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock'
                               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
            THEN pg_table_size(c.oid) END AS disk_bytes
  FROM pg_stat_activity a
  JOIN pg_class c ON c.oid = to_regclass(substring(a.query FROM '^\s*COPY\s+((?:"(?:[^"]|"")+"|[^\s(".]+)\.(?:"(?:[^"]|"")+"|[^\s(".]+))')::cstring)
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE a.datname = current_database() AND a.state = 'active' AND a.query ~* '^\s*COPY.*FROM\s+STDIN'
   AND (a.application_name = $1::text OR a.application_name LIKE 'pgl-%');
