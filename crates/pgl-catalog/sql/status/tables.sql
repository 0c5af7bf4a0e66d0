-- Sync states of the tables of the subscription $1 (its id).
SELECT sync_nspname::text AS schema, sync_relname::text AS name, coalesce(nullif(sync_status::text, ''), '-') AS status
  FROM pglogical.local_sync_status
 WHERE sync_subid = $1::bigint::oid AND sync_relname IS NOT NULL
 ORDER BY 1, 2;
