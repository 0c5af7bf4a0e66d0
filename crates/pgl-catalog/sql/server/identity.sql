-- Who and what we are connected to. 9.6 and later, where the role may read the control file.
SELECT
    pg_catalog.current_setting('server_version_num')::int AS version,
    (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
    (SELECT version FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid() AND ssl) AS tls,
    pg_catalog.version() AS version_text,
    current_database() AS database,
    session_user AS "user",
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    coalesce(
        NOT (pg_catalog.inet_client_addr() <<= inet '127.0.0.0/8'
             OR pg_catalog.inet_client_addr() = inet '::1'),
        false
    ) AS remote,
    extract(epoch FROM pg_catalog.pg_postmaster_start_time())::float8 AS started_at,
    ARRAY(
        SELECT DISTINCT split_part(s.name, '.', 1)
        FROM pg_catalog.pg_settings AS s
        WHERE s.name ~ '^(rds|alloydb|cloudsql|azure)[.]'
        UNION ALL
        SELECT p.proname::text
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'pg_catalog' AND p.proname = 'aurora_version'
        ORDER BY 1
    ) AS markers;
