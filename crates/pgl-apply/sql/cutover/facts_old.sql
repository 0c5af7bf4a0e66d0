-- What has to hold on the provider. $1 is the slot.
SELECT (SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()) AS prepared,
       COALESCE((SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), s.confirmed_flush_lsn)
                   FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1), 0)::bigint AS lag
