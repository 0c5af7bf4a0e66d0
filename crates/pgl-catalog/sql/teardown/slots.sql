-- pglogical's slots of this database, and the WAL that each holds back.
SELECT slot_name AS name, active_pid,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn)::bigint AS held_bytes
  FROM pg_catalog.pg_replication_slots
 WHERE database = pg_catalog.current_database() AND plugin IN ('pglogical_output', 'pglogical')
 ORDER BY 1
