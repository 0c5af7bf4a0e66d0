-- Settings and counts of the source that replication stands on.
SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pglogical') AS pglogical,
       current_setting('wal_level') AS wal_level,
       (SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries') AS output_plugin_libraries,
       current_setting('max_replication_slots')::integer AS max_slots,
       (SELECT count(*) FROM pg_replication_slots) AS used_slots,
       current_setting('max_wal_senders')::integer AS max_senders,
       (SELECT count(*) FROM pg_stat_replication) AS used_senders,
       (SELECT setting::float8 / 1000 FROM pg_settings WHERE name = 'wal_sender_timeout') AS sender_timeout,
       ARRAY(SELECT 'process ' || pid || ' (' || coalesce(nullif(application_name, ''), usename, '?') || ') since '
                    || date_trunc('second', xact_start)
               FROM pg_stat_activity
              WHERE xact_start < now() - interval '5 minutes' AND pid <> pg_backend_pid()
              ORDER BY xact_start LIMIT 5) AS old_transactions;
