-- What has to hold on the provider, before version 9.6, whose slots do not show what is confirmed: the receiver's word,
-- by its name $2, stands for it; while nobody reads the slot $1, the position from which it would be read.
SELECT (SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()) AS prepared,
       COALESCE((SELECT pg_catalog.pg_xlog_location_diff(pg_catalog.pg_current_xlog_insert_location(),
                                                         COALESCE(r.flush_location, s.restart_lsn))
                   FROM pg_catalog.pg_replication_slots s
                   LEFT JOIN (pg_catalog.pg_stat_replication r
                              JOIN pg_catalog.pg_stat_activity a ON a.pid = r.pid AND a.datname = current_database())
                          ON r.application_name = $2 AND s.active
                  WHERE s.slot_name = $1
                  LIMIT 1), 0)::bigint AS lag
