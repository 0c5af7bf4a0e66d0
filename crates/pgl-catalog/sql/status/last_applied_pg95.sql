-- When the last transaction applied from the origin $1 had been committed on the source, on the
-- source's clock. 9.5 to 13, with track_commit_timestamp and pglogical 2.2.1 or later.
SELECT extract(epoch FROM o."timestamp")::float8 AS committed
  FROM pg_last_committed_xact() l,
       generate_series(0, 299) AS back,
       LATERAL pglogical.xact_commit_timestamp_origin(greatest(l.xid::text::bigint - back, 3)::text::xid) o
 WHERE o.roident = (SELECT roident FROM pg_replication_origin WHERE roname = $1::text)
 ORDER BY back
 LIMIT 1;
