-- Tables that hold something and were never analysed, largest first; partitioned ones last,
-- because their statistics are their own.
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'p', 'm')
   AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin')
   AND n.nspname !~ '^pg_'
   AND s.last_analyze IS NULL
   AND s.last_autoanalyze IS NULL
 ORDER BY c.relkind = 'p', pg_relation_size(c.oid) DESC, 1, 2
