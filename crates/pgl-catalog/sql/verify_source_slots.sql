-- Which of these slots this database has.
SELECT s.slot_name AS name, s.active
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_name = ANY ($1) AND s.database = pg_catalog.current_database()
