-- Tables that hold something and were never analysed, largest first; partitioned ones last,
-- because their statistics are their own.
WITH RECURSIVE above (parent) AS (
    SELECT i.inhparent FROM pg_inherits i JOIN pg_class f ON f.oid = i.inhrelid WHERE f.relkind = 'f'
    UNION
    SELECT i.inhparent FROM above JOIN pg_inherits i ON i.inhrelid = above.parent
)
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'p', 'm')
   AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin')
   AND n.nspname !~ '^pg_'
   AND s.last_analyze IS NULL
   AND s.last_autoanalyze IS NULL
   -- Their samples would have rows of other servers.
   AND c.oid NOT IN (SELECT above.parent FROM above)
 ORDER BY c.relkind = 'p', pg_relation_size(c.oid) DESC, 1, 2
