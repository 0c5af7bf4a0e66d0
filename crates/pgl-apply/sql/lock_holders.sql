-- Who holds a lock on one of the tables ($1 schemas, $2 names) that keeps a SHARE or SHARE ROW EXCLUSIVE lock
-- from being granted, but for this session. A prepared transaction has no process; a process without a role is an autovacuum
-- worker, whose command only roles with pg_read_all_stats see.
SELECT json_build_object('schema', n.nspname, 'name', c.relname) AS "table",
       l.mode,
       l.pid,
       x.gid,
       l.pid IS NOT NULL AND a.usesysid IS NULL AS autovacuum,
       COALESCE(a.usesysid IS NULL AND a.query LIKE 'autovacuum:%(to prevent wraparound)%', false) AS wraparound,
       a.application_name AS application,
       host(a.client_addr) AS address
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
  JOIN pg_catalog.pg_locks l ON l.relation = c.oid
  JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = current_database()
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN (pg_catalog.pg_locks t
             JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid)
         ON l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
            AND t.virtualtransaction = l.virtualtransaction
 WHERE l.locktype = 'relation'
   AND l.granted
   AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                  'ExclusiveLock', 'AccessExclusiveLock')
 ORDER BY n.nspname, c.relname, l.pid, l.mode
