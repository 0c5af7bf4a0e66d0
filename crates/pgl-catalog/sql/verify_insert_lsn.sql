-- Where the source writes its log now; 10 and later.
SELECT pg_catalog.pg_current_wal_insert_lsn()::text AS lsn
