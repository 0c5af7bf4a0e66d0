-- What the connected role may do. 9.5 and later.
SELECT
    pg_catalog.has_database_privilege(current_database(), 'CREATE') AS create_on_database,
    (
        SELECT pg_catalog.has_schema_privilege(oid, 'USAGE')
        FROM pg_catalog.pg_namespace
        WHERE nspname = 'pglogical'
    ) AS pglogical_usage,
    (
        -- Before 14 everyone may call them, and they refuse everyone but a superuser.
        (
            pg_catalog.current_setting('server_version_num')::int >= 140000
            OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
        )
        AND pg_catalog.has_function_privilege(
            'pg_catalog.pg_replication_origin_create(text)', 'EXECUTE'
        )
        AND pg_catalog.has_function_privilege(
            'pg_catalog.pg_replication_origin_advance(text, pg_lsn)', 'EXECUTE'
        )
    ) AS origin_functions;
