-- Types that a condition converts to or compares, given by oid. The style of an interval is the same in every session of ours.
SELECT
    t.oid::bigint AS oid,
    pg_catalog.format_type(t.oid, NULL) AS name,
    i.provolatile = 'i' OR t.typname = 'interval' AS fixed,
    t.typcategory IN ('B', 'D', 'I', 'N', 'T', 'V') OR t.typname = 'uuid' AS plain
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_proc AS i ON i.oid = t.typinput
WHERE t.oid::bigint = ANY($1::bigint[])
