-- How far slot $1 has been applied here; no row where nothing was yet.
SELECT remote_lsn::text AS position FROM pg_replication_origin_status WHERE external_id = $1
