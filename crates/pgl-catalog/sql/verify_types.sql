-- The types that columns of user tables use, with everything that those are made of. "send" is empty where that function
-- takes another type, as text's does for refcursor: a call with a value of this one would need a cast.
WITH RECURSIVE used (oid) AS (
    SELECT a.atttypid
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND n.nspname !~ '^pg_(toast|temp)'
    UNION
    SELECT inner_type.oid
    FROM used
    JOIN pg_catalog.pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typbasetype <> 0
        UNION ALL
        SELECT e.oid FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range AS r
        WHERE r.rngtypid = t.oid
            OR (pg_catalog.row_to_json(r) ->> 'rngmultitypid') = t.oid::text
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS inner_type (oid)
)
SELECT
    t.oid::int8 AS oid,
    n.nspname AS schema,
    t.typname AS name,
    t.typtype AS kind,
    nullif(t.typbasetype, 0)::int8 AS base,
    (
        SELECT e.oid::int8 FROM pg_catalog.pg_type AS e
        WHERE e.oid = t.typelem AND e.typarray = t.oid
    ) AS element,
    (
        SELECT r.rngsubtype::int8 FROM pg_catalog.pg_range AS r
        WHERE r.rngtypid = t.oid
            OR (pg_catalog.row_to_json(r) ->> 'rngmultitypid') = t.oid::text
    ) AS subtype,
    t.typtypmod AS typmod,
    t.typsend <> 0 AS sends,
    coalesce((
        SELECT p.proname FROM pg_catalog.pg_proc AS p
        WHERE p.oid = t.typsend AND p.proargtypes[0] = t.oid
    ), '') AS send,
    coalesce((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname, 'type', a.atttypid::int8, 'typmod', a.atttypmod) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ), '[]') AS fields
FROM used
JOIN pg_catalog.pg_type AS t ON t.oid = used.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
