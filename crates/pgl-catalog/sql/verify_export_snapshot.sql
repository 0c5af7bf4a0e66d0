-- Lets other sessions see what this transaction sees.
SELECT pg_catalog.pg_export_snapshot() AS snapshot
