-- How far the target has applied what these slots send; readable with the right to do so. Before 13 there is no min(pg_lsn).
SELECT (SELECT o.remote_lsn
          FROM pg_catalog.pg_replication_origin_status AS o
         WHERE o.external_id = ANY ($1)
         ORDER BY o.remote_lsn
         LIMIT 1)::text AS lsn
