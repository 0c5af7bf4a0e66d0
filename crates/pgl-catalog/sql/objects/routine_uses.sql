-- Functions that run when rows are loaded, indexes built or views refreshed. A body parsed at
-- creation (from 14 on) holds no names to look up, and so counts as having a path of its own.
SELECT pg_catalog.format('%I.%I(%s)', f.nspname, p.proname,
                         pg_catalog.pg_get_function_identity_arguments(p.oid)) AS routine,
       g.lanname AS language,
       EXISTS (SELECT 1 FROM pg_catalog.unnest(p.proconfig) o (line)
               WHERE o.line LIKE 'search\_path=%')
           OR (pg_catalog.row_to_json(p) ->> 'prosqlbody') IS NOT NULL AS fixed_path,
       p.provolatile AS volatility,
       u.used_in,
       c.oid::int8 AS relation,
       u.object
FROM (SELECT d.refobjid AS routine, 'index' AS used_in, i.indrelid AS relation,
             x.relname::text AS object
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_index i ON i.indexrelid = d.objid
      JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
      WHERE d.classid = 'pg_catalog.pg_class'::regclass
        AND d.refclassid = 'pg_catalog.pg_proc'::regclass
      UNION
      SELECT d.refobjid, 'check', k.conrelid, k.conname::text
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_constraint k ON k.oid = d.objid AND k.contype = 'c' AND k.conrelid <> 0
      WHERE d.classid = 'pg_catalog.pg_constraint'::regclass
        AND d.refclassid = 'pg_catalog.pg_proc'::regclass
      UNION
      SELECT d.refobjid, 'generated', f.adrelid, a.attname::text
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
      WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
        AND d.refclassid = 'pg_catalog.pg_proc'::regclass
        AND pg_catalog.row_to_json(a) ->> 'attgenerated' <> ''
      UNION
      SELECT d.refobjid, 'mat_view', r.ev_class, m.relname::text
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
      JOIN pg_catalog.pg_class m ON m.oid = r.ev_class AND m.relkind = 'm'
      WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
        AND d.refclassid = 'pg_catalog.pg_proc'::regclass) u
JOIN pg_catalog.pg_proc p ON p.oid = u.routine AND p.oid >= 16384
JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
JOIN pg_catalog.pg_language g ON g.oid = p.prolang
JOIN pg_catalog.pg_class c ON c.oid = u.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
