-- Progress of the replication origin $1. 9.5 and later.
SELECT s.remote_lsn::text AS remote_lsn
  FROM pg_replication_origin o
  LEFT JOIN pg_replication_origin_status s ON s.local_id = o.roident
 WHERE o.roname = $1::text;
