-- Disables every trigger that would fire for replicated rows (ENABLE REPLICA or ALWAYS), and
-- notes how each one was, so that the cutover can give it back. Run in one transaction with
-- whatever may have made one.
DO $quiet$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT n.nspname AS schema, c.relname AS rel, g.tgname AS name, g.tgenabled::text AS enabled, g.oid,
               format('%I.%I.%I', n.nspname, c.relname, g.tgname) AS key,
               format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, g.tgname) AS off
          FROM pg_catalog.pg_trigger g
          JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT g.tgisinternal
           AND g.tgenabled IN ('A', 'R')
           AND n.nspname NOT IN ('pglogical', 'pglogical_origin', 'pgl')
           AND n.nspname !~ '^pg_'
        UNION ALL
        SELECT NULL, NULL, e.evtname, e.evtenabled::text, e.oid, format('..%I', e.evtname),
               format('ALTER EVENT TRIGGER %I DISABLE', e.evtname)
          FROM pg_catalog.pg_event_trigger e
         WHERE e.evtenabled IN ('A', 'R')
    LOOP
        EXECUTE t.off;
        DELETE FROM pgl.journal j
         WHERE j.migration = current_setting('pgl.migration')
           AND j.step = 'target.triggers'
           AND j.object = t.key;
        INSERT INTO pgl.journal (migration, step, object, detail)
        VALUES (current_setting('pgl.migration'), 'target.triggers', t.key,
                json_build_object('schema', t.schema, 'table', t.rel, 'name', t.name, 'oid', t.oid,
                                  'enabled', t.enabled));
    END LOOP;
END
$quiet$
