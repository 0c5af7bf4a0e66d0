-- The slot $1. Columns that a version does not have come out as null: row_to_json names those
-- that it has. confirmed_flush_lsn is there from 9.6, active_pid from 9.5, wal_status from 13,
-- invalidation_reason from 17 (16 says it with conflicting).
SELECT slot_name::text AS name,
       plugin::text AS plugin,
       database::text AS database,
       active,
       (j ->> 'active_pid')::bigint AS active_pid,
       restart_lsn::text AS restart_lsn,
       j ->> 'confirmed_flush_lsn' AS confirmed_flush_lsn,
       j ->> 'wal_status' AS wal_status,
       (j ->> 'safe_wal_size')::bigint AS safe_wal_size,
       j ->> 'invalidation_reason' AS invalidation_reason
  FROM (SELECT s.*, row_to_json(s) AS j FROM pg_replication_slots s) q
 WHERE slot_name = $1::text;
