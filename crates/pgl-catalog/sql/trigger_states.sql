-- Whether each trigger and event trigger of this database fires: O (not for replicated rows), A (always), R (for replicated rows), D.
-- A partition's trigger that comes from its parent's is internal from 11 to 14.
SELECT n.nspname AS schema, c.relname AS table, t.tgname AS name, t.tgenabled::text AS enabled
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE (NOT t.tgisinternal
        OR EXISTS (SELECT FROM pg_depend p
                    WHERE p.classid = 'pg_trigger'::regclass AND p.objid = t.oid AND p.refclassid = 'pg_trigger'::regclass)
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't'))
UNION ALL
SELECT NULL, NULL, e.evtname, e.evtenabled::text
  FROM pg_event_trigger e
