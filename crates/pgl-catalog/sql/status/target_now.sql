-- The target now, without pglogical's own catalog. 10 and later.
SELECT current_setting('server_version_num')::integer AS version,
       extract(epoch FROM clock_timestamp())::float8 AS clock,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started,
       (SELECT extract(epoch FROM max(backend_start))::float8 FROM pg_stat_activity
         WHERE backend_type = 'checkpointer') AS helpers_started,
       (SELECT extversion FROM pg_extension WHERE extname = 'pglogical') AS pglogical,
       current_setting('track_commit_timestamp') = 'on' AS track_commit_timestamp;
