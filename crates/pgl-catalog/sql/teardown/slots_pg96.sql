-- As slots.sql, for 9.5 and 9.6.
SELECT slot_name AS name, active_pid,
       pg_catalog.pg_xlog_location_diff(pg_catalog.pg_current_xlog_location(), restart_lsn)::bigint
           AS held_bytes
  FROM pg_catalog.pg_replication_slots
 WHERE database = pg_catalog.current_database() AND plugin IN ('pglogical_output', 'pglogical')
 ORDER BY 1
