-- Triggers, event triggers and rules that fire in a session that applies replicated rows (ENABLE REPLICA or ALWAYS), with
-- the owner of the table and the function that is called. The tools' write-block triggers call a function of schema pgl.
-- A partition's trigger that comes from its parent's is internal from 11 to 14.
SELECT 'trigger' AS kind, n.nspname AS schema, c.relname AS table, t.tgname AS name, t.tgenabled::text AS enabled,
       pg_get_userbyid(c.relowner) AS owner,
       format('%s owned by %s', p.oid::regprocedure, pg_get_userbyid(p.proowner)) AS calls,
       format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, t.tgname) AS off,
       format('ALTER TABLE ONLY %I.%I ENABLE %s TRIGGER %I', n.nspname, c.relname,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, t.tgname) AS enable
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_proc p ON p.oid = t.tgfoid
  JOIN pg_namespace f ON f.oid = p.pronamespace
 WHERE (NOT t.tgisinternal
        OR EXISTS (SELECT FROM pg_depend p
                    WHERE p.classid = 'pg_trigger'::regclass AND p.objid = t.oid AND p.refclassid = 'pg_trigger'::regclass)
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't'))
   AND t.tgenabled IN ('A', 'R')
   AND n.nspname NOT IN ('pglogical', 'pglogical_origin', 'pgl')
   AND n.nspname !~ '^pg_'
   AND f.nspname <> 'pgl'
UNION ALL
SELECT 'event trigger', NULL, NULL, e.evtname, e.evtenabled::text, pg_get_userbyid(e.evtowner),
       format('%s owned by %s', p.oid::regprocedure, pg_get_userbyid(p.proowner)),
       format('ALTER EVENT TRIGGER %I DISABLE', e.evtname),
       format('ALTER EVENT TRIGGER %I ENABLE %s', e.evtname,
              CASE e.evtenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END)
  FROM pg_event_trigger e
  JOIN pg_proc p ON p.oid = e.evtfoid
 WHERE e.evtenabled IN ('A', 'R')
UNION ALL
SELECT 'rule', n.nspname, c.relname, r.rulename, r.ev_enabled::text, pg_get_userbyid(c.relowner), NULL,
       format('ALTER TABLE %I.%I DISABLE RULE %I', n.nspname, c.relname, r.rulename),
       format('ALTER TABLE %I.%I ENABLE %s RULE %I', n.nspname, c.relname,
              CASE r.ev_enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, r.rulename)
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.ev_enabled IN ('A', 'R')
   AND n.nspname NOT IN ('pglogical', 'pglogical_origin', 'pgl', 'information_schema')
   AND n.nspname !~ '^pg_'
 ORDER BY 1, 2, 3, 4
