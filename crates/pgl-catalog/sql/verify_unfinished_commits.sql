-- Of these transactions (numbers without their epoch), how many may have written their commit record already and are not yet
-- visible to others: those that wait for a synchronous standby. A prepared transaction is no session's: it may be the one that
-- any session waits for that has no transaction of its own. 10 and later.
SELECT count(*) AS seen
FROM pg_catalog.pg_stat_activity AS a
WHERE (a.wait_event = 'SyncRep'
        -- A session of another role, of which this one may not see what it waits for.
        OR a.backend_type IS NULL AND a.usesysid IS NOT NULL
            AND pg_catalog.current_setting('synchronous_standby_names') <> '')
    AND (a.backend_xid::text::bigint = ANY ($1)
        OR a.backend_xid IS NULL
            AND EXISTS (
                SELECT 1
                FROM pg_catalog.pg_locks AS l
                WHERE l.locktype = 'transactionid' AND l.pid IS NULL AND l.transactionid::text::bigint = ANY ($1)
            ))
