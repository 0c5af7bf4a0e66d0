-- Process ids and roles of the clients of this database that this role may not end: those of superusers, where it is none. With $1,
-- of those only the ones that have written in a transaction which is still open: one that has just ended gives its locks back one after
-- the other, and the lock on its own id may be the last; no snapshot shows it as running by then.
SELECT format('%s (%s)', a.pid, u.rolname)
  FROM pg_catalog.pg_stat_activity a
  JOIN pg_catalog.pg_roles u ON u.oid = a.usesysid AND u.rolsuper
 WHERE a.datname = current_database() AND a.client_port IS NOT NULL
   AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
   AND (NOT $1::boolean
        OR EXISTS (SELECT FROM pg_catalog.pg_locks l
                    WHERE l.pid = a.pid AND l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
                      AND (l.transactionid::text::bigint IN (
                               SELECT x & 4294967295
                                 FROM pg_catalog.txid_snapshot_xip(pg_catalog.txid_current_snapshot()) x)
                           OR ((l.transactionid::text::bigint
                                - pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())) & 4294967295) < 2147483648)))
 ORDER BY a.pid
