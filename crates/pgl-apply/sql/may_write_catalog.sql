-- Whether this role may set a subscription's state and position itself (14 and later).
SELECT has_function_privilege('pg_catalog.pg_replication_origin_create(text)', 'EXECUTE')
   AND has_function_privilege('pg_catalog.pg_replication_origin_advance(text, pg_lsn)', 'EXECUTE')
   AND has_table_privilege('pglogical.local_sync_status', 'INSERT')
   AND has_table_privilege('pglogical.local_sync_status', 'UPDATE') AS may
