-- 14 and later: expressions of indexes and extended statistics that call functions of other owners who are no superusers. The planner may run
-- them with the rights of whoever reads the table: it simplifies the expressions, and puts the
-- body of a function in language SQL in the place of its call, but for SECURITY DEFINER or settings of its own.
SELECT n.nspname AS schema, c.relname AS name, e.tree, (
    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'oid', p.oid::int8, 'name', pn.nspname || '.' || p.proname, 'inlined',
        l.lanname = 'sql' AND NOT p.prosecdef AND p.proconfig IS NULL))
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.pronamespace
    JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
    WHERE NOT r.rolsuper AND r.rolname <> current_user
        AND p.oid IN (SELECT f.m[1]::oid FROM pg_catalog.regexp_matches(e.tree, 'funcid (\d+)', 'g') AS f (m))
) AS functions
FROM (
    SELECT i.indrelid AS relid, i.indexprs::text AS tree FROM pg_catalog.pg_index AS i WHERE i.indexprs IS NOT NULL
    UNION ALL SELECT i.indrelid, i.indpred::text FROM pg_catalog.pg_index AS i WHERE i.indpred IS NOT NULL
    UNION ALL SELECT s.stxrelid, s.stxexprs::text FROM pg_catalog.pg_statistic_ext AS s WHERE s.stxexprs IS NOT NULL
) AS e
JOIN pg_catalog.pg_class AS c ON c.oid = e.relid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE e.tree ~ 'funcid [1-9][0-9]{4}'
