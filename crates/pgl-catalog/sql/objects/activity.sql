-- Row changes of every table since the statistics were reset. The functions are asked directly: the
-- view over them groups by index first.
SELECT c.oid::int8 AS relation,
       pg_catalog.pg_stat_get_tuples_inserted(c.oid) AS inserted,
       pg_catalog.pg_stat_get_tuples_updated(c.oid) AS updated,
       pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS deleted,
       pg_catalog.pg_stat_get_live_tuples(c.oid) AS live,
       pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
