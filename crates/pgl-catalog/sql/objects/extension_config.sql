-- Configuration tables of extensions, and how many rows of the user each holds by the extension's own
-- filter, counted up to 1000; null where the role may not look.
SELECT e.extname AS extension,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
             AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
            THEN (pg_catalog.xpath('/row/n/text()', pg_catalog.query_to_xml(
                    pg_catalog.format('SELECT count(*) AS n FROM (SELECT 1 FROM %I.%I %s LIMIT 1000) t',
                                      n.nspname, c.relname, f.filter),
                    false, true, '')))[1]::text::int8
            END AS user_rows
FROM pg_catalog.pg_extension e
CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS f (relation, filter)
JOIN pg_catalog.pg_class c ON c.oid = f.relation AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE e.extname NOT IN ('pglogical', 'pglogical_origin')
ORDER BY 1, 2;
