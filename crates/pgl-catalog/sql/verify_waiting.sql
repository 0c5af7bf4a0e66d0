-- Which of these sessions hold a lock on a table that TRUNCATE, ALTER TABLE, DROP or the like of another session waits for.
SELECT DISTINCT held.pid AS pid
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_locks AS waiting
    ON waiting.locktype = 'relation' AND waiting.database = held.database AND waiting.relation = held.relation
WHERE held.pid = ANY ($1) AND held.locktype = 'relation' AND held.granted
    AND NOT waiting.granted AND waiting.mode = 'AccessExclusiveLock'
