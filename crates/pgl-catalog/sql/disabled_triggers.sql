-- Triggers and event triggers that were disabled in migration $1 because they fire for replicated rows and are so still: the parts of a
-- statement that changes their state. The others of the journal are null: they are gone, or have been changed since.
-- A partition's trigger that comes from its parent's is internal from 11 to 14.
WITH disabled AS (
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
)
SELECT j.object, d.schema, d.rel AS table, d.name, j.detail ->> 'enabled' AS enabled,
       CASE WHEN d.schema IS NOT NULL THEN format('ALTER TABLE ONLY %I.%I', d.schema, d.rel)
            WHEN d.name IS NOT NULL THEN format('ALTER EVENT TRIGGER %I', d.name)
       END AS alter,
       CASE WHEN d.schema IS NOT NULL THEN format(' TRIGGER %I', d.name) ELSE '' END AS which
  FROM pgl.journal j
  LEFT JOIN disabled d
    ON (d.schema IS NULL) = ((j.detail ->> 'table') IS NULL)
   AND CASE WHEN (j.detail ->> 'oid') IS NOT NULL THEN d.oid = (j.detail ->> 'oid')::oid
            ELSE (d.schema, d.rel) IS NOT DISTINCT FROM (j.detail ->> 'schema', j.detail ->> 'table') AND d.name = j.detail ->> 'name'
       END
 WHERE j.migration = $1
   AND j.step = 'target.triggers'
 ORDER BY 1
