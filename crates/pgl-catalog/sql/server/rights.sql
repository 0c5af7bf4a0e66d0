-- What the connected role may do. 15 and later.
SELECT
    pg_catalog.has_database_privilege(current_database(), 'CREATE') AS create_on_database,
    (
        SELECT pg_catalog.has_schema_privilege(oid, 'USAGE')
        FROM pg_catalog.pg_namespace
        WHERE nspname = 'pglogical'
    ) AS pglogical_usage,
    pg_catalog.has_parameter_privilege('session_replication_role', 'SET') AS set_replication_role,
    (
        pg_catalog.has_function_privilege('pg_catalog.pg_replication_origin_create(text)', 'EXECUTE')
        AND pg_catalog.has_function_privilege(
            'pg_catalog.pg_replication_origin_advance(text, pg_lsn)', 'EXECUTE'
        )
    ) AS origin_functions;
