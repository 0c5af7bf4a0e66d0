-- Likewise before 10, where no version is known.
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
    NULL::text AS version,
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
