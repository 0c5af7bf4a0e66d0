-- The source now: clock, position, limit. 10 and later.
SELECT current_setting('server_version_num')::integer AS version,
       current_database() AS database,
       extract(epoch FROM clock_timestamp())::float8 AS clock,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS wal_lsn,
       (SELECT CASE WHEN setting::bigint >= 0 THEN setting::bigint * 1024 * 1024 END
          FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS max_slot_wal_keep_bytes,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started,
       (SELECT extract(epoch FROM max(backend_start))::float8 FROM pg_stat_activity
         WHERE backend_type = 'checkpointer') AS helpers_started;
