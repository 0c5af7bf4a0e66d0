-- default_transaction_read_only in the configuration files, last entry first; needs 9.5 and the right to read pg_file_settings.
SELECT lower(setting) IN ('on', 'true', 'yes', '1', 't', 'y') AS server
  FROM pg_catalog.pg_file_settings
 WHERE lower(name) = 'default_transaction_read_only' AND error IS NULL
 ORDER BY seqno DESC
 LIMIT 1
