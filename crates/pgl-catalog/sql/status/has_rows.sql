-- Whether the tables whose schemas are $1 and names $2 have any row; null where the role may not
-- read them. One row is enough, so this is quick whatever their size.
SELECT schema, name,
       CASE WHEN readable THEN
            query_to_xml(format('SELECT 1 AS x FROM ONLY %I.%I LIMIT 1', schema, name), true, false, '')::text LIKE '%<x>%'
       END AS value
  FROM (SELECT n.nspname::text AS schema, c.relname::text AS name,
               has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
                   AND coalesce(row_to_json(c) ->> 'relrowsecurity', 'false') = 'false' AS readable
          FROM unnest($1::text[], $2::text[]) AS w(schema, name)
          JOIN pg_namespace n ON n.nspname = w.schema
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind = 'r'
        OFFSET 0) q;
