-- Indexes (class 1259) and the constraints that stand on one (class 2606): whether they are the
-- identity by which rows are found, and how large they are.
SELECT 1259 AS class,
       i.indexrelid::bigint AS oid,
       i.indisprimary OR i.indisreplident AS identity,
       coalesce(pg_relation_size(i.indexrelid), 0) AS bytes
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_(toast|temp)'
UNION ALL
SELECT 2606,
       k.oid::bigint,
       i.indisprimary OR i.indisreplident,
       coalesce(pg_relation_size(i.indexrelid), 0)
  FROM pg_constraint k
  JOIN pg_index i ON i.indexrelid = k.conindid
  JOIN pg_namespace n ON n.oid = k.connamespace
 WHERE k.contype IN ('p', 'u', 'x')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_(toast|temp)'
