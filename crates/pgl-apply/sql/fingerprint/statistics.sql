-- When the statistics of this database began anew, and whether changes are counted. A crash loses all of them: it does not set the
-- time of the database from 15 on, but that of the server's own.
SELECT concat_ws(' / ', s.stats_reset::text, b.stats_reset::text) AS stats_reset,
       current_setting('track_counts') = 'on' AS track_counts
  FROM pg_catalog.pg_stat_database s, pg_catalog.pg_stat_bgwriter b
 WHERE s.datname = current_database()
