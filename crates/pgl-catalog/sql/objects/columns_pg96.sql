-- Columns of tables and foreign tables, up to 9.6: no identity and no generated columns.
SELECT a.attrelid::int8 AS relation,
       a.attnum AS number,
       a.attname AS name,
       a.atttypid::int8 AS type_oid,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       a.attnotnull AS not_null,
       a.atthasdef AS has_default,
       '' AS identity,
       '' AS generated
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0
  AND NOT a.attisdropped
  AND c.relkind IN ('r', 'p', 'f')
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
