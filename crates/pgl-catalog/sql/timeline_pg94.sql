-- The timeline that the server writes; null for a standby, which writes none. Up to 9.6.
SELECT CASE
    WHEN NOT pg_catalog.pg_is_in_recovery()
    THEN ('x' || pg_catalog.substr(pg_catalog.pg_xlogfile_name(pg_catalog.pg_current_xlog_insert_location()), 1, 8))::bit(32)::integer
END AS timeline
