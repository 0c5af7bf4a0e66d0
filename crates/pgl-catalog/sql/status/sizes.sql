-- Sizes of the tables whose schemas are $1 and names $2, with TOAST, in bytes; missing ones are
-- left out.
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_table_size(c.oid) AS bytes
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind = 'r';
