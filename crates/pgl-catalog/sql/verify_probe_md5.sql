-- The digest of known values through md5 over binary rows; every version.
SELECT pg_catalog.string_agg(pg_catalog.md5(r), ' ' ORDER BY n) AS probe
FROM (
    SELECT 1 AS n, pg_catalog.record_send(ROW(1::int2, (-7)::int4, 4000000000::oid, true,
        date '2024-02-29', (-9223372036854775808)::int8)) AS r
    UNION ALL SELECT 2, pg_catalog.record_send(ROW(
        uuid '01234567-89ab-cdef-0123-456789abcdef', '\x00ff10'::bytea, 'x'::"char", NULL::int4,
        ''::text, 'plain words'::text))
    UNION ALL SELECT 3, pg_catalog.record_send(ROW(repeat('long ', 5000), date 'infinity',
        float8 '-0', float8 'NaN', float4 '16777217.5', 1.00))
    UNION ALL SELECT 4, pg_catalog.record_send(ROW(numeric 'NaN', interval '1 mon -2 days',
        timestamptz 'infinity', jsonb '{"b": 1.0, "a": [null]}', 'ab '::char(5),
        time '12:00', timetz '12:00+02', 1234.5::money))
    UNION ALL SELECT 5, pg_catalog.record_send(ROW('[0:1]={1,2}'::int4[], '[1,5)'::int4range,
        inet '10.0.0.1/8', B'0101'::varbit, tsvector 'a:1A b:2', json '{"a" : 1}',
        point '(1,2)', ARRAY['x', NULL]::text[]))
) AS q
