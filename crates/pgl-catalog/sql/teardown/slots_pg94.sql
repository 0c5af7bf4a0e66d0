-- As slots.sql, for 9.4: the process is not in the view but in that of the walsenders, and cannot
-- be matched; -1 stands for some process.
SELECT slot_name AS name, CASE WHEN active THEN -1 END AS active_pid,
       pg_catalog.pg_xlog_location_diff(pg_catalog.pg_current_xlog_location(), restart_lsn)::bigint
           AS held_bytes
  FROM pg_catalog.pg_replication_slots
 WHERE database = pg_catalog.current_database() AND plugin IN ('pglogical_output', 'pglogical')
 ORDER BY 1
