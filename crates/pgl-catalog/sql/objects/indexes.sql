-- Indexes, from 11 on. Columns of INCLUDE are no part of the key.
SELECT i.indrelid::int8 AS relation,
       x.relname AS name,
       i.indisunique AS "unique",
       i.indisprimary AS "primary",
       i.indisreplident AS identity,
       i.indisvalid AS valid,
       i.indisready AS ready,
       i.indimmediate AS immediate,
       i.indpred IS NOT NULL AS partial,
       i.indexprs IS NOT NULL AS expressions,
       i.indisexclusion AS exclusion,
       (pg_catalog.string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts] AS key
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
