-- Settings and counts of the target that replication stands on.
SELECT current_setting('max_worker_processes')::integer AS max_workers,
       (SELECT count(*) FROM pg_stat_activity a
         WHERE (a.application_name LIKE 'pglogical %' AND a.client_port IS NULL)
            OR coalesce(row_to_json(a) ->> 'backend_type', '') IN ('parallel worker', 'logical replication launcher',
                                                                  'logical replication worker')) AS used_workers,
       (SELECT setting FROM pg_settings WHERE name = 'pglogical.conflict_resolution') AS conflict_resolution,
       coalesce((SELECT setting = 'on' FROM pg_settings WHERE name = 'pglogical.use_spi'), false) AS use_spi,
       coalesce((SELECT setting = 'on' FROM pg_settings WHERE name = 'track_commit_timestamp'), false) AS track_commit_timestamp,
       EXISTS (SELECT 1 FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS one
                WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                  AND lower(one) = 'default_transaction_read_only=on') AS read_only;
