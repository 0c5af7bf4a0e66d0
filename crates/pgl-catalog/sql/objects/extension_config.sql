-- A statement (psql: \gexec) for each configuration table of an extension: how many rows of the user it holds by the
-- extension's own filter, counted up to 1000; null where the role may not look.
SELECT pg_catalog.format('SELECT %L::text AS extension, %L::text AS name, %s AS user_rows',
                         e.extname, pg_catalog.format('%I.%I', n.nspname, c.relname),
                         CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                               AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
                              THEN pg_catalog.format('(SELECT count(*) FROM (SELECT 1 FROM %I.%I %s LIMIT 1000) t)',
                                                     n.nspname, c.relname, f.filter)
                              ELSE 'NULL::int8' END) AS statement
FROM pg_catalog.pg_extension e
CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS f (relation, filter)
JOIN pg_catalog.pg_class c ON c.oid = f.relation AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE e.extname NOT IN ('pglogical', 'pglogical_origin')
ORDER BY e.extname, n.nspname, c.relname;
