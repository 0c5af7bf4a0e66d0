-- What the connected role may do.
SELECT
    pg_catalog.has_database_privilege(current_database(), 'CREATE') AS create_on_database,
    (
        SELECT pg_catalog.has_schema_privilege(oid, 'USAGE')
        FROM pg_catalog.pg_namespace
        WHERE nspname = 'pglogical'
    ) AS pglogical_usage,
    (
        SELECT pg_catalog.has_schema_privilege(oid, 'USAGE WITH GRANT OPTION')
        FROM pg_catalog.pg_namespace
        WHERE nspname = 'pglogical'
    ) AS grant_pglogical_usage;
