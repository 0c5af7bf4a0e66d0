-- The statement (psql: \gexec) that lists the TRUNCATE statements which pg_stat_statements remembers of this database; none
-- where the extension is not installed. Its function may stand in any schema. The session reads no views.
SELECT pg_catalog.format(
           'SELECT left(s.query, 200) AS query, sum(s.calls)::int8 AS calls
            FROM %I.pg_stat_statements(true) s
            JOIN pg_catalog.pg_database d ON d.oid = s.dbid AND d.datname = current_database()
            WHERE s.query ~* ''^\s*truncate\s''
            GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20', n.nspname) AS statement
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements';
