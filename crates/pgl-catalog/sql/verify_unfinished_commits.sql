-- Of these transactions (numbers without their epoch), how many may have written their commit record already and are not yet
-- visible to others: those that wait for a synchronous standby. 10 and later.
SELECT count(*) AS seen
FROM pg_catalog.pg_stat_activity AS a
WHERE a.backend_xid::text::bigint = ANY ($1)
    AND (a.wait_event = 'SyncRep'
        OR a.state IS NULL AND pg_catalog.current_setting('synchronous_standby_names') <> '')
