-- A subscription of this database and how far its initial synchronisation is.
SELECT s.sub_name AS name,
       s.sub_enabled AS enabled,
       s.sub_slot_name AS slot,
       s.sub_replication_sets AS sets,
       (SELECT y.sync_status::text FROM pglogical.local_sync_status y
         WHERE y.sync_subid = s.sub_id AND y.sync_relname IS NULL) AS sync,
       (SELECT count(*) FROM pglogical.local_sync_status y
         WHERE y.sync_subid = s.sub_id AND y.sync_relname IS NOT NULL
           AND y.sync_status NOT IN ('r', 'y')) AS tables_behind
  FROM pglogical.subscription s
 ORDER BY 1
