-- Types of a condition, given by oid: what each is a domain over or an array of, and whether that is an enum.
WITH RECURSIVE part (oid, base, in_array) AS (
    SELECT t.oid, t.oid, false
    FROM pg_catalog.pg_type AS t
    WHERE t.oid::bigint = ANY($1::bigint[])
    UNION ALL
    SELECT p.oid, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END, p.in_array OR t.typtype <> 'd'
    FROM part AS p
    JOIN pg_catalog.pg_type AS t ON t.oid = p.base
    WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0
)
SELECT
    t.oid::bigint AS oid,
    pg_catalog.format_type(t.oid, NULL) AS name,
    p.base::bigint AS base,
    p.in_array AS array,
    b.typtype = 'e' AS labels,
    i.provolatile = 'i' AS fixed,
    t.typcategory IN ('B', 'D', 'I', 'N', 'T', 'V') OR t.typname = 'uuid' AS plain
FROM part AS p
JOIN pg_catalog.pg_type AS t ON t.oid = p.oid
JOIN pg_catalog.pg_type AS b ON b.oid = p.base
JOIN pg_catalog.pg_proc AS i ON i.oid = t.typinput
WHERE NOT (b.typtype = 'd' OR b.typcategory = 'A' AND b.typelem <> 0)
