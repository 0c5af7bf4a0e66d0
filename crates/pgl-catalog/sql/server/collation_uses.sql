-- Collations that columns and indexes use, besides the database's own and C. 10 and later.
SELECT
    n.nspname AS schema,
    c.collname AS name,
    c.collversion AS version,
    pg_catalog.pg_collation_actual_version(c.oid) AS actual_version,
    u.example
FROM (
    SELECT a.attcollation AS oid, min(n.nspname || '.' || r.relname || '.' || a.attname) AS example
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS r ON r.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
    WHERE a.attcollation <> 0
        AND a.attnum > 0
        AND NOT a.attisdropped
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND n.nspname NOT LIKE 'pg\_toast%'
    GROUP BY a.attcollation
) AS u
JOIN pg_catalog.pg_collation AS c ON c.oid = u.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
WHERE NOT (n.nspname = 'pg_catalog' AND c.collname IN ('default', 'C', 'POSIX'))
ORDER BY 1, 2;
