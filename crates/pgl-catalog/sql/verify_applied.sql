-- How far the target has applied what these slots send; readable with the right to do so.
SELECT min(o.remote_lsn)::text AS lsn
FROM pg_catalog.pg_replication_origin_status AS o
WHERE o.external_id = ANY ($1)
