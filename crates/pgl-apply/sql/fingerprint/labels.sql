-- What the values of the columns of tables ($1 schemas, $2 names) are made of by name: the labels of enums and the attributes
-- of composite types, also within arrays, domains and ranges, by what stays when one is renamed. Rows and WAL have a label's
-- number: what it is called changes without any of them.
WITH RECURSIVE used (relation, typ) AS (
    SELECT c.oid, a.atttypid
      FROM unnest($1::text[]) WITH ORDINALITY AS s (schema, at)
      JOIN unnest($2::text[]) WITH ORDINALITY AS t (name, at) USING (at)
      JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT u.relation, part.typ
      FROM used u
      JOIN pg_catalog.pg_type t ON t.oid = u.typ
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace AND n.nspname <> 'pg_catalog'
     CROSS JOIN LATERAL (
           SELECT t.typelem
            UNION ALL
           SELECT t.typbasetype
            UNION ALL
           SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
            UNION ALL
           SELECT a.atttypid
             FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
     ) AS part (typ)
     WHERE part.typ <> 0
), label AS (
    SELECT u.relation, format('enum %s', e.oid) AS id, e.enumlabel AS name
      FROM used u
      JOIN pg_catalog.pg_enum e ON e.enumtypid = u.typ
    UNION ALL
    SELECT u.relation, format('attribute %s %s', t.typrelid, a.attnum), a.attname
      FROM used u
      JOIN pg_catalog.pg_type t ON t.oid = u.typ AND t.typrelid <> 0
      JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT json_build_object('schema', n.nspname, 'name', c.relname) AS "table",
       json_object_agg(l.id, l.name) AS labels
  FROM label l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 GROUP BY n.nspname, c.relname
