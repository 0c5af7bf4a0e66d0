-- The target now, without pglogical's own catalog. 9.4 to 9.6.
SELECT current_setting('server_version_num')::integer AS version,
       extract(epoch FROM clock_timestamp())::float8 AS clock,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started,
       NULL::float8 AS helpers_started,
       (SELECT extversion FROM pg_extension WHERE extname = 'pglogical') AS pglogical,
       coalesce((SELECT setting = 'on' FROM pg_settings WHERE name = 'track_commit_timestamp'), false) AS track_commit_timestamp;
