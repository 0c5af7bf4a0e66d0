-- The server's current log file, where the logging collector writes one. 10 and later; superusers
-- and members of pg_monitor.
SELECT coalesce(pg_current_logfile('stderr'), pg_current_logfile()) AS path,
       current_setting('data_directory', true) AS data_directory;
