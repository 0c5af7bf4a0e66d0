-- Functions that run when rows are loaded, indexes built or views refreshed. A body parsed at
-- creation (from 14 on) holds no names to look up, and so counts as having a path of its own. Of other
-- bodies in SQL and PL/pgSQL: the body, and the objects in schemas of users whose names occur in it; opaque
-- are functions that look names up themselves. The owner is null where a superuser is it, or the function runs with its
-- owner's rights.
WITH RECURSIVE named AS (
    SELECT o.space, o.name, bool_or(o.opaque) AS opaque
    FROM (
        SELECT p.pronamespace AS space, p.proname::text AS name,
               g.lanname NOT IN ('c', 'internal')
                   AND NOT EXISTS (SELECT 1 FROM pg_catalog.unnest(p.proconfig) c (line)
                                   WHERE c.line LIKE 'search\_path=%')
                   AND (pg_catalog.row_to_json(p) ->> 'prosqlbody') IS NULL AS opaque
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_language g ON g.oid = p.prolang
        UNION ALL
        SELECT r.oprnamespace, r.oprname::text, g.lanname NOT IN ('c', 'internal')
        FROM pg_catalog.pg_operator r
        JOIN pg_catalog.pg_proc p ON p.oid = r.oprcode
        JOIN pg_catalog.pg_language g ON g.oid = p.prolang
        UNION ALL
        SELECT relnamespace, relname::text, false FROM pg_catalog.pg_class WHERE relkind NOT IN ('i', 'I', 't')
        UNION ALL
        SELECT typnamespace, typname::text, false FROM pg_catalog.pg_type
        UNION ALL
        SELECT collnamespace, collname::text, false FROM pg_catalog.pg_collation
        UNION ALL
        SELECT cfgnamespace, cfgname::text, false FROM pg_catalog.pg_ts_config
        UNION ALL
        SELECT dictnamespace, dictname::text, false FROM pg_catalog.pg_ts_dict
    ) o
    JOIN pg_catalog.pg_namespace n ON n.oid = o.space
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    GROUP BY o.space, o.name
), called AS (
    SELECT classid, objid, objsubid, refobjid AS routine
    FROM pg_catalog.pg_depend
    WHERE refclassid = 'pg_catalog.pg_proc'::regclass
    UNION
    SELECT d.classid, d.objid, d.objsubid, r.oprcode
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_operator r ON r.oid = d.refobjid
    WHERE d.refclassid = 'pg_catalog.pg_operator'::regclass
), reads (matview, relation) AS (
    SELECT oid, oid FROM pg_catalog.pg_class WHERE relkind = 'm'
    UNION
    SELECT reads.matview, v.oid
    FROM reads
    JOIN pg_catalog.pg_rewrite r ON r.ev_class = reads.relation
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_class v ON v.oid = d.refobjid AND v.relkind = 'v'
), part (part, whole) AS (
    SELECT typbasetype, oid FROM pg_catalog.pg_type WHERE typbasetype <> 0
    UNION ALL
    SELECT typelem, oid FROM pg_catalog.pg_type WHERE typelem <> 0
    UNION ALL
    SELECT rngsubtype, rngtypid FROM pg_catalog.pg_range
    UNION ALL
    SELECT a.atttypid, t.oid
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.typrelid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), holds (domain, type) AS (
    SELECT contypid, contypid FROM pg_catalog.pg_constraint WHERE contype = 'c' AND contypid >= 16384
    UNION
    SELECT holds.domain, part.whole FROM holds JOIN part ON part.part = holds.type
), used AS (
    SELECT d.routine, 'index' AS used_in, i.indrelid AS relation, x.relname::text AS object
    FROM called d
    JOIN pg_catalog.pg_index i ON i.indexrelid = d.objid
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
    UNION
    SELECT d.routine, 'check', k.conrelid, k.conname::text
    FROM called d
    JOIN pg_catalog.pg_constraint k ON k.oid = d.objid AND k.contype = 'c' AND k.conrelid <> 0
    WHERE d.classid = 'pg_catalog.pg_constraint'::regclass
    UNION
    SELECT d.routine, 'domain', a.attrelid, k.conname::text
    FROM called d
    JOIN pg_catalog.pg_constraint k ON k.oid = d.objid AND k.contype = 'c' AND k.contypid <> 0
    JOIN holds ON holds.domain = k.contypid
    JOIN pg_catalog.pg_attribute a ON a.atttypid = holds.type AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    WHERE d.classid = 'pg_catalog.pg_constraint'::regclass
    UNION
    SELECT d.routine, 'generated', f.adrelid, a.attname::text
    FROM called d
    JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
      AND pg_catalog.row_to_json(a) ->> 'attgenerated' <> ''
    UNION
    -- Before 15 the column depends on what its expression calls.
    SELECT d.routine, 'generated', a.attrelid, a.attname::text
    FROM called d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objid AND a.attnum = d.objsubid
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid > 0
      AND pg_catalog.row_to_json(a) ->> 'attgenerated' <> ''
    UNION
    SELECT d.routine, 'partition_key', p.oid, p.relname::text
    FROM called d
    JOIN pg_catalog.pg_class p ON p.oid = d.objid AND p.relkind = 'p'
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
    UNION
    SELECT d.routine, 'mat_view', m.oid, m.relname::text
    FROM called d
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    JOIN reads ON reads.relation = r.ev_class
    JOIN pg_catalog.pg_class m ON m.oid = reads.matview
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
), routine AS (
    SELECT p.oid,
           pg_catalog.format('%I.%I(%s)', f.nspname, p.proname,
                             pg_catalog.pg_get_function_identity_arguments(p.oid)) AS routine,
           g.lanname AS language,
           EXISTS (SELECT 1 FROM pg_catalog.unnest(p.proconfig) o (line)
                   WHERE o.line LIKE 'search\_path=%')
               OR (pg_catalog.row_to_json(p) ->> 'prosqlbody') IS NOT NULL AS fixed_path,
           p.provolatile AS volatility,
           CASE WHEN NOT p.prosecdef THEN
               (SELECT w.rolname::text FROM pg_catalog.pg_roles w WHERE w.oid = p.proowner AND NOT w.rolsuper)
           END AS owner,
           p.prosrc
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
    JOIN pg_catalog.pg_language g ON g.oid = p.prolang
    WHERE p.oid >= 16384 AND p.oid IN (SELECT routine FROM used)
), body AS (
    SELECT r.oid, r.prosrc AS body,
           (SELECT coalesce(pg_catalog.json_agg(k), '[]')
            FROM (SELECT n.nspname AS schema, m.name, m.opaque
                  FROM named m
                  JOIN pg_catalog.pg_namespace n ON n.oid = m.space
                  WHERE pg_catalog.strpos(pg_catalog.lower(r.prosrc),
                                          pg_catalog.lower(pg_catalog.replace(m.name, '"', '""'))) > 0
                  ORDER BY 1, 2) k) AS named
    FROM routine r
    WHERE r.language IN ('sql', 'plpgsql') AND NOT r.fixed_path
)
SELECT r.routine, r.language, r.fixed_path, r.volatility, r.owner, u.used_in, c.oid::int8 AS relation, u.object,
       b.body, b.named
FROM used u
JOIN routine r ON r.oid = u.routine
JOIN pg_catalog.pg_class c ON c.oid = u.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN body b ON b.oid = r.oid
WHERE c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
