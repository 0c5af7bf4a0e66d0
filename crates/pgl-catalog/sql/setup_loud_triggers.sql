-- Triggers that fire for replicated rows (ENABLE REPLICA or ALWAYS), tables and events alike.
SELECT n.nspname AS schema, c.relname AS table, t.tgname AS name, t.tgenabled::text AS enabled
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal
   AND t.tgenabled IN ('A', 'R')
   AND n.nspname NOT IN ('pglogical', 'pglogical_origin', 'pgl')
   AND n.nspname !~ '^pg_'
UNION ALL
SELECT NULL, NULL, e.evtname, e.evtenabled::text
  FROM pg_event_trigger e
 WHERE e.evtenabled IN ('A', 'R')
 ORDER BY 1, 2, 3
