-- Of the tables $1 (schemas) and $2 (names): those without primary key and without an index as
-- replica identity. A replicated UPDATE or DELETE would stop the apply worker at them.
SELECT t.schema, t.name
  FROM unnest($1::text[], $2::text[]) AS t(schema, name)
  JOIN pg_namespace n ON n.nspname = t.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
 WHERE NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = c.oid AND i.indisvalid
                      AND (i.indisreplident OR i.indisprimary))
 ORDER BY 1, 2
