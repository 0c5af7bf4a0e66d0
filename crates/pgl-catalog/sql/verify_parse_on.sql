-- Until the transaction ends, the server sends the parse tree of each statement to the client, and where the role may set that, does
-- not write it into its log.
SET LOCAL client_min_messages = log;
SET LOCAL debug_pretty_print = off;
SELECT pg_catalog.set_config('log_min_messages', 'panic', true)
WHERE pg_catalog.current_setting('is_superuser') = 'on';
SET LOCAL debug_print_parse = on
