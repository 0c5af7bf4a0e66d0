-- How far slot $1 has been applied here; no row where nothing was yet. The function needs one right, the
-- view over it two.
SELECT remote_lsn::text AS position FROM pg_show_replication_origin_status() WHERE external_id = $1
