-- Columns and the sequences that feed them: by ownership, as identity, or through nextval.
SELECT d.objid::int8 AS sequence,
       d.refobjid::int8 AS relation,
       d.refobjsubid AS "column",
       d.deptype::text AS via
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_catalog.pg_class'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjsubid > 0
  AND d.deptype IN ('a', 'i')
UNION ALL
SELECT d.refobjid::int8,
       f.adrelid::int8,
       f.adnum,
       'd'
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass;
