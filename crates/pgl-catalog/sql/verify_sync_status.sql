-- Tables whose initial copy pglogical does not call finished.
SELECT l.sync_nspname AS schema, l.sync_relname AS name, l.sync_status AS status
FROM pglogical.local_sync_status AS l
WHERE l.sync_nspname IS NOT NULL AND l.sync_status NOT IN ('r', 'y')
