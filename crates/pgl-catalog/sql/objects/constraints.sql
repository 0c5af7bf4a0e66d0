-- Foreign keys, checks, exclusion constraints, and keys that are deferrable. A constraint that is
-- NOT ENFORCED (from 18 on) also counts as not validated there, but nothing can validate it.
-- What enables those of its triggers that do not fire, on the referencing and on the referenced table.
SELECT k.conrelid::int8 AS relation,
       k.conname AS name,
       k.contype AS kind,
       k.condeferrable AS deferrable,
       CASE WHEN k.convalidated THEN true
            ELSE NOT coalesce((pg_catalog.row_to_json(k) ->> 'conenforced')::bool, true)
            END AS validated,
       k.coninhcount > 0 AS inherited,
       k.confrelid::int8 AS "references",
       CASE WHEN k.contype IN ('c', 'f', 'x') THEN pg_catalog.pg_get_constraintdef(k.oid)
            END AS definition,
       ARRAY(SELECT pg_catalog.format('ALTER TABLE ONLY %I.%I ENABLE TRIGGER %I;', s.nspname, t.relname, g.tgname)
               FROM pg_catalog.pg_trigger g
               JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid
               JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
              WHERE g.tgconstraint = k.oid AND g.tgenabled IN ('D', 'R')
              ORDER BY 1) AS enable
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (k.contype IN ('c', 'f', 'x') OR k.contype IN ('u', 'p') AND k.condeferrable)
  AND c.relkind IN ('r', 'p', 'f')
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
