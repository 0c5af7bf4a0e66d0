-- How far the receivers of these slots have confirmed to have applied and flushed. Before 9.6 slots do not show it, and before
-- 9.5 not who reads them: where all of them are being read, it is at least what the slowest receiver of this database says.
SELECT CASE WHEN (SELECT count(*) FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = ANY ($1) AND s.active)
                 = pg_catalog.array_length($1, 1)
            THEN (SELECT r.flush_location
                    FROM pg_catalog.pg_stat_replication r
                    JOIN pg_catalog.pg_stat_activity a ON a.pid = r.pid
                   WHERE a.datname = pg_catalog.current_database()
                   ORDER BY r.flush_location NULLS FIRST
                   LIMIT 1)::text
       END AS lsn
