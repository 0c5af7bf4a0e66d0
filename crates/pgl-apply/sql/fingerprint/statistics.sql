-- When the statistics of this database began anew, and whether changes are counted.
SELECT s.stats_reset::text AS stats_reset, current_setting('track_counts') = 'on' AS track_counts
  FROM pg_catalog.pg_stat_database s
 WHERE s.datname = current_database()
