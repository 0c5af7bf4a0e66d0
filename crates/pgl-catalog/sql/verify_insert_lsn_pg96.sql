-- Where the source writes its log now; up to 9.6.
SELECT pg_catalog.pg_current_xlog_insert_location()::text AS lsn
