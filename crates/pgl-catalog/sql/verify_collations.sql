-- Collations, given by oid; 100 is that of the database. The version is that of the library, of any collation with this locale: that
-- of libc has none before 13. Columns that only some versions have are read as JSON.
SELECT
    s.oid::bigint AS oid,
    CASE
        WHEN s.provider = 'c' AND s.collate IN ('C', 'POSIX') AND s.ctype IN ('C', 'POSIX') THEN 'C'
        WHEN s.provider = 'b' AND s.locale = 'C' THEN 'C'
        ELSE pg_catalog.concat_ws(
            ' ', CASE s.provider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' END, s.locale, s.rules,
            CASE WHEN s.provider <> 'i' THEN s.collate END, CASE WHEN s.ctype <> s.collate THEN s.ctype END,
            CASE WHEN NOT s.deterministic THEN 'nondeterministic' END)
    END AS definition,
    CASE
        WHEN s.provider = 'c' AND s.collate LIKE 'C.%' THEN ''
        ELSE (
            SELECT pg_catalog.max(pg_catalog.pg_collation_actual_version(o.oid))
            FROM pg_catalog.pg_collation AS o
            WHERE o.collprovider = s.provider::"char"
                AND coalesce(
                    pg_catalog.row_to_json(o) ->> 'colllocale', pg_catalog.row_to_json(o) ->> 'colliculocale',
                    o.collcollate::text) = coalesce(s.locale, s.collate)
        )
    END AS version,
    s.deterministic
FROM (
    SELECT
        c.oid,
        coalesce(j.row ->> 'datlocprovider', nullif(j.row ->> 'collprovider', 'd'), 'c') AS provider,
        coalesce(j.row ->> 'datcollate', j.row ->> 'collcollate') AS collate,
        coalesce(j.row ->> 'datctype', j.row ->> 'collctype') AS ctype,
        coalesce(j.row ->> 'datlocale', j.row ->> 'daticulocale', j.row ->> 'colllocale', j.row ->> 'colliculocale')
            AS locale,
        coalesce(j.row ->> 'daticurules', j.row ->> 'collicurules') AS rules,
        coalesce((j.row ->> 'collisdeterministic')::boolean, true) AS deterministic
    FROM pg_catalog.pg_collation AS c
    CROSS JOIN pg_catalog.pg_database AS d
    CROSS JOIN LATERAL (
        SELECT CASE c.oid WHEN 100 THEN pg_catalog.row_to_json(d) ELSE pg_catalog.row_to_json(c) END
    ) AS j (row)
    WHERE d.datname = pg_catalog.current_database() AND c.oid::bigint = ANY($1::bigint[])
) AS s
