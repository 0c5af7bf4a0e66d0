-- A statement (psql: \gexec) for each of the tables whose schemas are $1 and names $2: whether it has any row; null where
-- the role may not read it. One row is enough, so this is quick whatever their size.
SELECT format('SELECT %L::text AS schema, %L::text AS name, %s AS value', n.nspname, c.relname,
              CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
                        AND coalesce(row_to_json(c) ->> 'relrowsecurity', 'false') = 'false'
                   THEN format('EXISTS (SELECT 1 FROM ONLY %I.%I)', n.nspname, c.relname)
                   ELSE 'NULL::bool' END) AS statement
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind = 'r';
