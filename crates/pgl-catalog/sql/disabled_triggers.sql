-- Triggers and event triggers that were disabled in migration $1 because they fire for replicated rows and are so still: the parts of a
-- statement that changes their state. The others of the journal are null: they are gone, or have been changed since. The trigger of a
-- partition that is disabled as its parent's was inherits it: the partition was attached since, or had it disabled before.
-- A partition's trigger that comes from its parent's is internal from 11 to 14.
WITH RECURSIVE disabled AS (
    SELECT t.oid, n.nspname AS schema, c.relname AS rel, t.tgname AS name
      FROM pg_trigger t
      JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgenabled = 'D'
       AND (NOT t.tgisinternal
        OR EXISTS (SELECT FROM pg_depend p
                    WHERE p.classid = 'pg_trigger'::regclass AND p.objid = t.oid AND p.refclassid = 'pg_trigger'::regclass)
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't'))
     UNION ALL
    SELECT e.oid, NULL, NULL, e.evtname
      FROM pg_event_trigger e
     WHERE e.evtenabled = 'D'
),
noted AS (
    SELECT j.object, j.detail ->> 'enabled' AS enabled, d.oid, d.schema, d.rel, d.name
      FROM pgl.journal j
      LEFT JOIN disabled d
        ON (d.schema IS NULL) = ((j.detail ->> 'table') IS NULL)
       AND CASE WHEN (j.detail ->> 'oid') IS NOT NULL THEN d.oid = (j.detail ->> 'oid')::oid
                ELSE (d.schema, d.rel) IS NOT DISTINCT FROM (j.detail ->> 'schema', j.detail ->> 'table') AND d.name = j.detail ->> 'name'
           END
     WHERE j.migration = $1
       AND j.step = 'target.triggers'
),
of_all AS (
    SELECT n.*, false AS inherited
      FROM noted n
     UNION ALL
    SELECT o.object, o.enabled, d.oid, d.schema, d.rel, d.name, true
      FROM of_all o
      JOIN pg_depend p
        ON p.refclassid = 'pg_trigger'::regclass AND p.refobjid = o.oid AND p.classid = 'pg_trigger'::regclass
      JOIN disabled d ON d.oid = p.objid
     WHERE o.schema IS NOT NULL
       AND d.schema IS NOT NULL
       AND NOT EXISTS (SELECT FROM noted n WHERE n.oid = d.oid AND n.schema IS NOT NULL)
)
SELECT object, schema, rel AS table, name, enabled, inherited,
       CASE WHEN schema IS NOT NULL THEN format('ALTER TABLE ONLY %I.%I', schema, rel)
            WHEN name IS NOT NULL THEN format('ALTER EVENT TRIGGER %I', name)
       END AS alter,
       CASE WHEN schema IS NOT NULL THEN format(' TRIGGER %I', name) ELSE '' END AS which
  FROM of_all
 ORDER BY 1, 6, 2, 3
