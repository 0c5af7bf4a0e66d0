-- How much there is in this database.
SELECT
    pg_catalog.pg_database_size(current_database()) AS database_bytes,
    count(*) FILTER (WHERE c.relkind IN ('r', 'p')) AS tables,
    count(*) FILTER (WHERE c.relkind IN ('i', 'I')) AS indexes,
    count(*) FILTER (WHERE c.relkind = 'S') AS sequences
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
    AND n.nspname NOT LIKE 'pg\_toast%';
