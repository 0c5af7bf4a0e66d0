-- Collations that come with the server and fit the database's encoding.
SELECT collname AS name
FROM pg_catalog.pg_collation AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
WHERE n.nspname = 'pg_catalog'
    AND c.collencoding IN (
        -1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = current_database())
    )
ORDER BY 1;
