-- When the statistics of this database began anew, and whether changes are counted for certain: a session counts them when it
-- ends, and this role cannot end one of a superuser, or may not see whose they are. A crash loses all of them: it does not set the
-- time of the database from 15 on, but that of the server's own.
SELECT concat_ws(' / ', s.stats_reset::text, b.stats_reset::text) AS stats_reset,
       current_setting('track_counts') = 'on'
       AND ((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
            OR NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                             JOIN pg_catalog.pg_roles u ON u.oid = a.usesysid AND u.rolsuper
                            WHERE a.datname = current_database()
                              AND (a.client_port IS NOT NULL OR a.backend_start IS NULL))) AS track_counts
  FROM pg_catalog.pg_stat_database s, pg_catalog.pg_stat_bgwriter b
 WHERE s.datname = current_database()
