-- Types that columns use, with their element and base types down to the bottom, and all types of the
-- user: but not the row types that every table has, nor arrays that no column uses.
WITH RECURSIVE wanted AS (
    SELECT a.atttypid AS oid
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attnum > 0
      AND NOT a.attisdropped
      AND c.relkind IN ('r', 'p', 'f')
      AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl')
    UNION
    SELECT t.oid
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class r ON r.oid = t.typrelid
    WHERE t.typcategory <> 'A'
      AND (r.oid IS NULL OR r.relkind = 'c')
      AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl')
    UNION
    SELECT v.below
    FROM wanted w
    JOIN pg_catalog.pg_type t ON t.oid = w.oid
    CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype)) v (below)
    WHERE v.below <> 0
), labels AS (
    SELECT e.enumtypid AS oid, pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS parts
    FROM pg_catalog.pg_enum e
    GROUP BY e.enumtypid
), attributes AS (
    SELECT r.reltype AS oid,
           pg_catalog.array_agg(pg_catalog.quote_ident(a.attname) || ' '
                     || pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) AS parts
    FROM pg_catalog.pg_class r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE r.relkind = 'c'
    GROUP BY r.reltype
), checks AS (
    SELECT k.contypid AS oid,
           -- Null for one that was dropped since this statement began.
           pg_catalog.array_agg(pg_catalog.pg_get_constraintdef(k.oid) ORDER BY k.conname)
               FILTER (WHERE pg_catalog.pg_get_constraintdef(k.oid) IS NOT NULL) AS parts
    FROM pg_catalog.pg_constraint k
    WHERE k.contypid <> 0 AND k.contype = 'c'
    GROUP BY k.contypid
)
SELECT t.oid::int8 AS oid,
       n.nspname AS schema,
       t.typname AS name,
       t.typtype AS kind,
       t.typelem::int8 AS element,
       t.typbasetype::int8 AS base,
       x.extname AS extension,
       t.oid < 16384 AS system,
       t.oid >= 16384 AND x.oid IS NULL AND t.typtype = 'b' AND t.typcategory <> 'A'
           AND g.lanname = 'c' AS native,
       CASE t.typtype
            WHEN 'e' THEN coalesce(l.parts, '{}')
            WHEN 'c' THEN coalesce(a.parts, '{}')
            WHEN 'd' THEN ARRAY[pg_catalog.format_type(t.typbasetype, t.typtypmod)
                                || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END]
                          || coalesce(k.parts, '{}')
            ELSE '{}' END AS parts
FROM wanted w
JOIN pg_catalog.pg_type t ON t.oid = w.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.typinput
LEFT JOIN pg_catalog.pg_language g ON g.oid = p.prolang
LEFT JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
LEFT JOIN labels l ON l.oid = t.oid
LEFT JOIN attributes a ON a.oid = t.oid
LEFT JOIN checks k ON k.oid = t.oid;
