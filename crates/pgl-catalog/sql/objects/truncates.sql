-- TRUNCATE statements that pg_stat_statements remembers of this database; nothing where the
-- extension is not installed. Its function may stand in any schema, hence the detour through XML, and
-- in hexadecimal digits, because a statement may hold what XML cannot. The session reads no views.
SELECT pg_catalog.convert_from(
           pg_catalog.decode((pg_catalog.xpath('/row/query/text()', x.one))[1]::text, 'hex'), 'UTF8')
           AS query,
       (pg_catalog.xpath('/row/calls/text()', x.one))[1]::text::int8 AS calls
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.xpath('/table/row', pg_catalog.query_to_xml(
    pg_catalog.format(
        'SELECT encode(convert_to(left(s.query, 200), ''UTF8''), ''hex'') AS query,
                sum(s.calls)::int8 AS calls
         FROM %I.pg_stat_statements(true) s
         JOIN pg_catalog.pg_database d ON d.oid = s.dbid AND d.datname = current_database()
         WHERE s.query ~* ''^\s*truncate\s''
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20', n.nspname),
    false, false, ''))) AS x (one)
WHERE e.extname = 'pg_stat_statements';
