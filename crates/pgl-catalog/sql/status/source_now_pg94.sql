-- The source now: clock and position. 9.4 to 9.6.
SELECT current_setting('server_version_num')::integer AS version,
       current_database() AS database,
       extract(epoch FROM clock_timestamp())::float8 AS clock,
       CASE WHEN pg_is_in_recovery() THEN pg_last_xlog_replay_location() ELSE pg_current_xlog_location() END::text AS wal_lsn,
       NULL::bigint AS max_slot_wal_keep_bytes,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started,
       NULL::float8 AS helpers_started;
