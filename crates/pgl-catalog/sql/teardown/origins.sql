-- Replication origins of the cluster with names as pglogical gives them; 9.5 and later.
SELECT roname AS name FROM pg_catalog.pg_replication_origin WHERE roname LIKE 'pgl\_%' ORDER BY 1
