-- What shows later whether table $1.$2 is still the one that was filled, and whether subscription $3 is still the same: a
-- subscription that is made again writes its row in pglogical.local_sync_status again.
SELECT c.oid::bigint AS oid,
       (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attisdropped) AS dropped_columns,
       (SELECT y.xmin::text
          FROM pglogical.subscription s
          JOIN pglogical.local_sync_status y ON y.sync_subid = s.sub_id AND y.sync_nspname IS NULL
         WHERE s.sub_name = $3) AS subscription
  FROM (SELECT $1::text AS schema, $2::text AS name) w
  LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
         ON n.nspname = w.schema AND c.relname = w.name
