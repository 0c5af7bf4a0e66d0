-- Gives the slot back before its session ends.
SELECT pg_catalog.pg_drop_replication_slot($1)
