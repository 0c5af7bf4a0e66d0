-- What this role may do on the source for a live proof.
SELECT
    m.oid IS NOT NULL AS marker,
    coalesce(
        pg_catalog.has_schema_privilege(m.relnamespace, 'USAGE')
        AND pg_catalog.has_table_privilege(m.oid, 'INSERT')
        AND pg_catalog.has_table_privilege(m.oid, 'UPDATE'), false) AS marker_writable
FROM (SELECT) AS one
LEFT JOIN (
    SELECT c.oid, c.relnamespace
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pgl' AND c.relname = 'marker' AND c.relkind = 'r'
) AS m ON true
