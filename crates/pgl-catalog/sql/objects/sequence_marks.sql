-- Lowest and highest value of the columns that sequences feed, from the planner's statistics: no
-- table is read for it. Columns that the role may not read are not among them. Whether a sequence feeds a column is looked up for
-- each: a list of those would be read again for each of them, where the planner expects one row.
SELECT m.relation::int8 AS relation,
       m.attnum AS "column",
       m.bounds[1] AS low,
       m.bounds[pg_catalog.array_upper(m.bounds, 1)] AS high
FROM (SELECT c.oid AS relation, a.attnum, s.histogram_bounds::text::text[] AS bounds
      FROM pg_catalog.pg_stats s
      JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
      WHERE NOT s.inherited
        AND s.histogram_bounds IS NOT NULL
        AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
        AND (EXISTS (SELECT FROM pg_catalog.pg_depend d
                     JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass
                       AND d.refclassid = 'pg_catalog.pg_class'::regclass
                       AND d.refobjid = c.oid
                       AND d.refobjsubid = a.attnum
                       AND d.deptype IN ('a', 'i'))
             OR EXISTS (SELECT FROM pg_catalog.pg_attrdef f
                        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid
                        JOIN pg_catalog.pg_class q ON q.oid = d.refobjid AND q.relkind = 'S'
                        WHERE f.adrelid = c.oid
                          AND f.adnum = a.attnum
                          AND d.refclassid = 'pg_catalog.pg_class'::regclass))) m;
