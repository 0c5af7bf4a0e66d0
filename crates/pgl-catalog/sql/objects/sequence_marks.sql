-- Lowest and highest value of the columns that sequences feed, from the planner's statistics: no
-- table is read for it. Columns that the role may not read are not among them.
WITH fed AS (
    SELECT d.refobjid AS relation, d.refobjsubid AS number
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjsubid > 0
      AND d.deptype IN ('a', 'i')
    UNION
    SELECT f.adrelid, f.adnum
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
    JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
), named AS (
    SELECT a.attrelid, a.attnum, n.nspname, c.relname, a.attname
    FROM fed
    JOIN pg_catalog.pg_attribute a ON a.attrelid = fed.relation AND a.attnum = fed.number
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
)
SELECT m.attrelid::int8 AS relation,
       m.attnum AS "column",
       m.bounds[1] AS low,
       m.bounds[pg_catalog.array_upper(m.bounds, 1)] AS high
FROM (SELECT a.attrelid, a.attnum, s.histogram_bounds::text::text[] AS bounds
      FROM named a
      JOIN pg_catalog.pg_stats s
        ON s.schemaname = a.nspname AND s.tablename = a.relname AND s.attname = a.attname
      WHERE NOT s.inherited
        AND s.histogram_bounds IS NOT NULL) m;
