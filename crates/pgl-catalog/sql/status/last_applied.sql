-- When the last transaction applied from the origin $1 had been committed on the source, on the
-- source's clock: pglogical gives the applied transaction that time. Local transactions are passed
-- over, twenty thousand at most (some milliseconds). 14 and later, with track_commit_timestamp.
SELECT extract(epoch FROM o."timestamp")::float8 AS committed
  FROM pg_last_committed_xact() l,
       generate_series(0, 19999) AS back,
       LATERAL pg_xact_commit_timestamp_origin(greatest(l.xid::text::bigint - back, 3)::text::xid) o
 WHERE o.roident = (SELECT roident FROM pg_replication_origin WHERE roname = $1::text)
 ORDER BY back
 LIMIT 1;
