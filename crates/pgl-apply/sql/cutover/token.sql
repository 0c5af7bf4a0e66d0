-- A word that was never there before.
SELECT md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text) AS token
