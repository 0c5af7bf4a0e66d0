-- What the connected role may do. 9.4, which has no replication origins.
SELECT
    pg_catalog.has_database_privilege(current_database(), 'CREATE') AS create_on_database,
    (
        SELECT pg_catalog.has_schema_privilege(oid, 'USAGE')
        FROM pg_catalog.pg_namespace
        WHERE nspname = 'pglogical'
    ) AS pglogical_usage,
    NULL::boolean AS origin_functions;
