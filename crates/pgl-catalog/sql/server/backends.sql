-- Processes by kind. 10 and later. The kind is null for processes that the role may not see.
SELECT
    count(*) FILTER (
        WHERE backend_type = 'client backend'
            OR (backend_type IS NULL AND usesysid IS NOT NULL AND application_name NOT LIKE 'pglogical %')
    ) AS clients,
    count(*) FILTER (
        WHERE backend_type NOT IN (
            'client backend', 'walsender', 'parallel worker', 'autovacuum launcher',
            'autovacuum worker', 'archiver', 'background writer', 'checkpointer', 'io worker',
            'logger', 'slotsync worker', 'standalone backend', 'startup', 'stats collector',
            'walreceiver', 'walsummarizer', 'walwriter'
        )
    ) AS workers,
    count(*) FILTER (WHERE application_name LIKE 'pglogical supervisor%' AND client_port IS NULL) AS pglogical_supervisors,
    count(*) FILTER (WHERE backend_type IS NULL) AS hidden
FROM pg_catalog.pg_stat_activity;
