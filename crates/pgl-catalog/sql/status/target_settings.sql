-- Settings and counts of the target that replication stands on.
SELECT current_setting('max_worker_processes')::integer AS max_workers,
       (SELECT count(*) FROM pg_stat_activity a
         WHERE (a.application_name LIKE 'pglogical %' AND a.client_port IS NULL)
            OR coalesce(row_to_json(a) ->> 'backend_type', '') IN ('parallel worker', 'logical replication launcher',
                                                                  'logical replication worker')) AS used_workers,
       (SELECT setting FROM pg_settings WHERE name = 'pglogical.conflict_resolution') AS conflict_resolution,
       coalesce((SELECT setting = 'on' FROM pg_settings WHERE name = 'track_commit_timestamp'), false) AS track_commit_timestamp,
       -- The apply worker runs as no role: its sessions get what the database has, or all roles, or the server.
       ARRAY(SELECT s.name || ' is ' || v.value
               FROM pg_settings s,
                    LATERAL (SELECT coalesce((SELECT substring(one FROM position('=' IN one) + 1)
                                                FROM pg_db_role_setting r, unnest(r.setconfig) one
                                               WHERE r.setrole = 0 AND lower(split_part(one, '=', 1)) = s.name
                                                 AND r.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                                               ORDER BY r.setdatabase DESC LIMIT 1), s.reset_val) AS value) v
              WHERE s.name = 'array_nulls' AND lower(v.value) IN ('off', 'of', 'false', 'fals', 'fal', 'fa', 'f', 'no', 'n', '0')
                 OR s.name = 'xmloption' AND lower(v.value) = 'document'
              ORDER BY 1) AS input_settings;
