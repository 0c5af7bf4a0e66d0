-- Sessions of this database, and open transactions anywhere.
-- Of a command only its first word is read, of one that changes the schema the first two: the rest
-- may hold passwords and customers' data.
SELECT
    pid,
    datname AS database,
    usename AS "user",
    coalesce(application_name, '') AS application,
    -- 10 and later.
    pg_catalog.row_to_json(activity) ->> 'backend_type' AS kind,
    state,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_seconds,
    extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_seconds,
    backend_xid IS NOT NULL AS has_xid,
    coalesce(
        CASE
            WHEN words[1] IN (
                'ALTER', 'CREATE', 'DROP', 'REINDEX', 'REFRESH', 'COMMENT', 'SECURITY', 'IMPORT'
            ) THEN words[1] || ' ' || coalesce(words[2], '')
            ELSE words[1]
        END,
        ''
    ) AS command,
    coalesce(query LIKE 'autovacuum:%(to prevent wraparound)%', false) AS wraparound,
    pid = pg_catalog.pg_backend_pid() OR coalesce(
        application_name ~ '^pgl-(preflight|setup|status|seqsync|verify|control|cutover|teardown)$', false
    ) AS own
FROM (
    SELECT
        a.*,
        regexp_split_to_array(
            upper(
                substring(
                    a.query
                    -- Blanks, comments and the beginning of a transaction in the same string.
                    FROM '(?i)^(?:\s|/\*[^*]*\*/|--[^\n]*\n|begin\s*;)*([a-z]+(?:\s+[a-z]+)?)'
                )
            ),
            '\s+'
        ) AS words
    FROM pg_catalog.pg_stat_activity AS a
) AS activity
WHERE datname = current_database() OR xact_start IS NOT NULL OR backend_xid IS NOT NULL
ORDER BY pid;
