-- The subscription $1, with the provider's connection string: whoever reads this row keeps it secret.
SELECT s.sub_id::bigint AS id,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_oid,
       s.sub_name::text AS name,
       s.sub_enabled AS enabled,
       s.sub_slot_name::text AS slot_name,
       s.sub_replication_sets AS sets,
       nullif(y.sync_kind::text, '') AS sync_kind,
       nullif(y.sync_status::text, '') AS sync_status,
       i.if_dsn AS secret_dsn
  FROM pglogical.subscription s
  LEFT JOIN pglogical.local_sync_status y
         ON y.sync_subid = s.sub_id AND y.sync_nspname IS NULL AND y.sync_relname IS NULL
  LEFT JOIN pglogical.node_interface i ON i.if_id = s.sub_origin_if
 WHERE s.sub_name = $1::text;
