-- What has to hold on the provider, before version 10. $1 is the slot.
SELECT (SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()) AS prepared,
       COALESCE((SELECT pg_catalog.pg_xlog_location_diff(pg_catalog.pg_current_xlog_insert_location(), s.confirmed_flush_lsn)
                   FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1), 0)::bigint AS lag
