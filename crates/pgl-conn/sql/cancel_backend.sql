-- Ends the running statement of another session: its process id.
SELECT pg_catalog.pg_cancel_backend($1);
