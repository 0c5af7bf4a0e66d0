-- Tables of the database with their columns, as the copy and the comparison need them (12 and later).
-- Binary values mean the same elsewhere only for types with a fixed OID, and not for those whose
-- value is itself an OID of this database (regclass and its like, also in arrays).
-- Of a partitioned table and a partition also by what and into which parts rows go, as the server writes it, from the root on.
WITH RECURSIVE bounded (oid, bounds) AS (
    SELECT c.oid, pg_get_partkeydef(c.oid) COLLATE "C"
      FROM pg_class c
     WHERE c.relkind = 'p' AND NOT c.relispartition
     UNION ALL
    SELECT c.oid, concat_ws(', ', b.bounds, pg_get_expr(c.relpartbound, 0), pg_get_partkeydef(c.oid)) COLLATE "C"
      FROM bounded b
      JOIN pg_inherits i ON i.inhparent = b.oid
      JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT n.nspname AS schema,
       c.relname AS name,
       c.relkind::text AS relkind,
       b.bounds,
       COALESCE((
           SELECT json_agg(json_build_object(
                      'name', a.attname,
                      'type_name', format_type(a.atttypid, a.atttypmod),
                      'built_in', t.oid < 10000 AND t.typsend <> 0 AND t.typreceive <> 0
                          AND t.typname !~ '^_?reg',
                      'not_null', a.attnotnull,
                      'has_default', a.atthasdef OR a.attidentity <> '',
                      'generated', a.attgenerated <> '')
                  ORDER BY a.attnum)
             FROM pg_attribute a
             JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'::json) AS columns
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN bounded b ON b.oid = c.oid
 WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin')
   AND n.nspname !~ '^pg_(toast|temp)'
 ORDER BY 1, 2
