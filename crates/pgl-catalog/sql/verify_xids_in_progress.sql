-- A snapshot, xmin:xmax:xip,xip, and the transactions that have a number now and have not ended (numbers without their epoch). A snapshot
-- does not list those from xmax on; each holds the lock on its own number until it is visible to others.
SELECT pg_catalog.txid_current_snapshot()::text AS snapshot,
       ARRAY(SELECT l.transactionid::text::bigint
               FROM pg_catalog.pg_locks AS l
              WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted) AS xids
