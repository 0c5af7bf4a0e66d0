-- Tables of the database with their columns, as the copy and the comparison need them (12 and later).
-- Binary values mean the same elsewhere only for types with a fixed OID, and not for those whose
-- value is itself an OID of this database (regclass and its like, also in arrays).
SELECT n.nspname AS schema,
       c.relname AS name,
       c.relkind::text AS relkind,
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
 WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin')
   AND n.nspname !~ '^pg_(toast|temp)'
 ORDER BY 1, 2
