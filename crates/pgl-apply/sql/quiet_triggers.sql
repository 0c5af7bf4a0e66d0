-- Disables every trigger that would fire for replicated rows (ENABLE REPLICA or ALWAYS), and
-- notes how each one was, so that the cutover can give it back. Run in one transaction with
-- whatever may have made one.
-- A partition's trigger that comes from its parent's is internal from 11 to 14.
DO $quiet$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT n.nspname AS schema, c.relname AS rel, g.tgname AS name, g.tgenabled::text AS enabled, g.oid,
               format('%I.%I %I %s', n.nspname, c.relname, g.tgname, g.oid) AS key,
               format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, g.tgname) AS off
          FROM pg_catalog.pg_trigger g
          JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE (NOT g.tgisinternal
        OR EXISTS (SELECT FROM pg_depend p
                    WHERE p.classid = 'pg_trigger'::regclass AND p.objid = g.oid AND p.refclassid = 'pg_trigger'::regclass)
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = g.tgconstraint AND k.contype <> 't'))
           AND g.tgenabled IN ('A', 'R')
           AND n.nspname NOT IN ('pglogical', 'pglogical_origin', 'pgl')
           AND n.nspname !~ '^pg_'
        UNION ALL
        SELECT NULL, NULL, e.evtname, e.evtenabled::text, e.oid, format('%I %s', e.evtname, e.oid),
               format('ALTER EVENT TRIGGER %I DISABLE', e.evtname)
          FROM pg_catalog.pg_event_trigger e
         WHERE e.evtenabled IN ('A', 'R')
    LOOP
        EXECUTE t.off;
        DELETE FROM pgl.journal j
         WHERE j.migration = current_setting('pgl.migration')
           AND j.step = 'target.triggers'
           AND j.detail ->> 'oid' = t.oid::text
           AND ((j.detail ->> 'table') IS NULL) = (t.rel IS NULL);
        INSERT INTO pgl.journal (migration, step, object, detail)
        VALUES (current_setting('pgl.migration'), 'target.triggers', t.key,
                json_build_object('schema', t.schema, 'table', t.rel, 'name', t.name, 'oid', t.oid,
                                  'enabled', t.enabled));
    END LOOP;
END
$quiet$
