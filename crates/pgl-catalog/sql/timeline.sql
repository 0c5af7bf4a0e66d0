-- The timeline that the server writes; null for a standby, which writes none. 10 and later.
SELECT CASE
    WHEN NOT pg_catalog.pg_is_in_recovery()
    THEN ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer
END AS timeline
