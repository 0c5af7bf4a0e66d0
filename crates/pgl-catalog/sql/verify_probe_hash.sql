-- The hashes of known values: both servers must give the same text before their seeded hash functions
-- (11 and later) are trusted between them. Every function that a digest is made of, with the edges
-- of its type; bytes of send functions through an array of bytea.
SELECT pg_catalog.string_agg(h::text, ' ' ORDER BY n, h) AS probe
FROM (
    SELECT 1 AS n, pg_catalog.hashint4extended(v, s) AS h
        FROM (VALUES (0), (1), (-7), (2147483647), (-2147483648)) AS t (v),
            (VALUES (0::int8), (8472519873265412345), (-1)) AS seed (s)
    UNION ALL SELECT 2, pg_catalog.hashint8extended(v, pg_catalog.hashint8extended(v >> 32, 8472519873265412345))
        FROM (VALUES (0::int8), (1), (-1), (4294967296), (-9223372036854775808), (9223372036854775807)) AS t (v)
    UNION ALL SELECT 3, pg_catalog.hashint2extended(v::int2, 8472519873265412345)
        FROM (VALUES (0), (-32768), (32767)) AS t (v)
    UNION ALL SELECT 4, pg_catalog.hashoidextended(v::oid, 8472519873265412345)
        FROM (VALUES (0::int8), (4294967295)) AS t (v)
    UNION ALL SELECT 5, pg_catalog.hashcharextended(v::"char", 8472519873265412345)
        FROM (VALUES (0), (120), (-1)) AS t (v)
    UNION ALL SELECT 6, pg_catalog.uuid_hash_extended(uuid '01234567-89ab-cdef-0123-456789abcdef',
        8472519873265412345)
    UNION ALL SELECT 7, pg_catalog.hashfloat8extended(v, 8472519873265412345)
        FROM (VALUES (0.1::float8 + 0.2), ('NaN'), ('Infinity'), ('-Infinity'), (1e-310)) AS t (v)
    UNION ALL SELECT 8, pg_catalog.hashfloat4extended(v, 8472519873265412345)
        FROM (VALUES (16777217.5::float4), ('NaN'), ('Infinity'), (1e-40)) AS t (v)
    UNION ALL SELECT 9, pg_catalog.hashtextextended(v COLLATE "C", 8472519873265412345)
        FROM (VALUES (''), ('a'), ('plain words'), (repeat('long ', 5000)), ('0'), ('-0')) AS t (v)
    UNION ALL SELECT 10, coalesce(pg_catalog.hashint4extended(
            CASE WHEN v < 0 THEN -1 - pg_catalog.scale(v) ELSE pg_catalog.scale(v) END,
            pg_catalog.hash_numeric_extended(v, 8472519873265412345)),
            pg_catalog.hashtextextended(v::text COLLATE "C", 8472519873265412345))
        FROM (VALUES (0::numeric), (1.00), (-1.0), ('NaN'), (1e-30), (123456789012345678901234567890.5)) AS t (v)
    UNION ALL SELECT 11, pg_catalog.hashtextextended((jsonb '{"b": 1.0, "a": [null, "x"]}')::text COLLATE "C",
        8472519873265412345)
    UNION ALL SELECT 12, pg_catalog.hashtextextended(v::text COLLATE "C", 8472519873265412345)
        FROM (VALUES (0::float8), ('-0')) AS t (v)
    UNION ALL SELECT 13, CASE WHEN pg_catalog.isfinite(v)
            THEN pg_catalog.hashint4extended(v - date '2000-01-01', 8472519873265412345)
            ELSE pg_catalog.hashtextextended(v::text COLLATE "C", 8472519873265412345) END
        FROM (VALUES (date '2024-02-29'), (date '0044-03-15 BC'), (date 'infinity')) AS t (v)
    UNION ALL SELECT 14, pg_catalog.hashbpcharextended(v COLLATE "C", 8472519873265412345)
            # pg_catalog.hashint4extended(pg_catalog.octet_length(v), 8472519873265412345)
        FROM (VALUES ('ab'::char(5)), (''::char(3))) AS t (v)
    UNION ALL SELECT 15, pg_catalog.hash_array_extended(ARRAY[v], 8472519873265412345)
        FROM (VALUES (NULL::bytea), (''), ('\x00ff10'), (pg_catalog.timestamptz_send('infinity')),
            (pg_catalog.timestamp_send('2024-02-29 12:00:00.000001')), (pg_catalog.timetz_send('12:00+02')),
            (pg_catalog.interval_send('1 mon -2 days')), (pg_catalog.inet_send('10.0.0.1/8')),
            (pg_catalog.array_send('[0:1]={1,2}'::int4[])), (pg_catalog.range_send('[1,5)'::int4range)),
            (pg_catalog.varbit_send(B'0101')), (pg_catalog.tsvectorsend('a:1A b:2')),
            (pg_catalog.record_send(ROW(1, 'x'::text, NULL::int4)))) AS t (v)
    UNION ALL SELECT 16, pg_catalog.hashtextextended(v::text COLLATE "C", 8472519873265412345)
        FROM (VALUES (pg_catalog.timestamptz_send('infinity')), (pg_catalog.timestamp_send('2024-02-29 12:00:00.000001')),
            (pg_catalog.time_send('23:59:59.999999')), (pg_catalog.timetz_send('12:00+02')),
            (pg_catalog.interval_send('1 mon -2 days')), (pg_catalog.cash_send('-1.01'))) AS t (v)
) AS q
