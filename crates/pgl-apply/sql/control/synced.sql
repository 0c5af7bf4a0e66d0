-- Notes table $2.$3 of subscription $1 as synchronised, where pglogical does not know it yet. The position counts only for tables
-- that catch up, and reading it takes a right that few roles have.
INSERT INTO pglogical.local_sync_status (sync_kind, sync_subid, sync_nspname, sync_relname, sync_status, sync_statuslsn)
SELECT 'd', s.sub_id, $2::text::name, $3::text::name, 'r', '0/0'
  FROM pglogical.subscription s
 WHERE s.sub_name = $1
   AND NOT EXISTS (SELECT FROM pglogical.local_sync_status y
                    WHERE y.sync_subid = s.sub_id AND y.sync_nspname = $2 AND y.sync_relname = $3)
