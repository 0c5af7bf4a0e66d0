-- Replication origins of the whole cluster. 9.5 and later.
SELECT roname AS name
FROM pg_catalog.pg_replication_origin
ORDER BY 1;
