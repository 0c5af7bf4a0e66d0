-- Tables that hold something, for which the planner has no statistics and the server counts no ANALYZE:
-- the counters alone are gone after a crash.
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind = 'r'
   AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin')
   AND n.nspname !~ '^pg_'
   AND s.last_analyze IS NULL
   AND s.last_autoanalyze IS NULL
   AND pg_catalog.pg_relation_size(c.oid) > 0
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stats p
                    WHERE p.schemaname = n.nspname AND p.tablename = c.relname)
 ORDER BY 1, 2
