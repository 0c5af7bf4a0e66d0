-- Whether each trigger and event trigger of this database fires: O (not for replicated rows), A (always), R (for replicated rows), D.
SELECT n.nspname AS schema, c.relname AS table, t.tgname AS name, t.tgenabled::text AS enabled
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal
UNION ALL
SELECT NULL, NULL, e.evtname, e.evtenabled::text
  FROM pg_event_trigger e
