-- Stored generated columns of tables (12 and later): the expression, the columns that it reads, and what of it is not
-- built in. A column depends on what its expression names, before 15; from 15 on, its entry in pg_attrdef does.
WITH one AS (
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, f.oid AS def, f.adbin
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relpersistence = 'p'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attgenerated = 's'
      AND NOT a.attisdropped
      AND n.nspname !~ '^pg_'
      AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl')
), used AS (
    SELECT o.def, d.refclassid, d.refobjid, d.refobjsubid
    FROM one o
    JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = o.def
    UNION
    SELECT o.def, d.refclassid, d.refobjid, d.refobjsubid
    FROM one o
    JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = o.attrelid AND d.objsubid = o.attnum
), base AS (
    SELECT o.def, b.attrelid, b.attnum, b.attname, b.atttypid, b.atttypmod, b.attcollation, b.attidentity
    FROM one o
    JOIN used u ON u.def = o.def AND u.refclassid = 'pg_catalog.pg_class'::regclass AND u.refobjid = o.attrelid
    JOIN pg_catalog.pg_attribute b ON b.attrelid = o.attrelid AND b.attnum = u.refobjsubid
    WHERE b.attnum <> o.attnum
), foreigners AS (
    SELECT u.def, pg_catalog.pg_describe_object(u.refclassid, u.refobjid, u.refobjsubid) AS what
    FROM one o
    JOIN used u ON u.def = o.def
    WHERE u.refobjid >= 16384 AND (u.refclassid, u.refobjid) <> ('pg_catalog.pg_class'::regclass, o.attrelid)
    UNION ALL
    SELECT b.def, pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, b.attrelid, b.attnum)
    FROM base b
    WHERE b.attnum < 0
    UNION ALL
    SELECT b.def, pg_catalog.pg_describe_object('pg_catalog.pg_type'::regclass, t.oid, 0)
    FROM (SELECT def, atttypid, attcollation FROM base UNION SELECT def, atttypid, attcollation FROM one) b
    JOIN pg_catalog.pg_type t ON t.oid = b.atttypid
    WHERE t.oid >= 16384 OR t.typtype IN ('c', 'd')
    UNION ALL
    SELECT b.def, pg_catalog.pg_describe_object('pg_catalog.pg_collation'::regclass, b.attcollation, 0)
    FROM base b
    WHERE b.attcollation >= 16384
)
SELECT o.attrelid::int8 AS relation, o.attname AS name, pg_catalog.pg_get_expr(o.adbin, o.attrelid) AS expression,
       pg_catalog.format_type(o.atttypid, o.atttypmod) AS type_name,
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', b.attname, 'type_name', pg_catalog.format_type(b.atttypid, b.atttypmod),
            'identity', b.attidentity = 'a', 'collation',
            (SELECT k.collname FROM pg_catalog.pg_collation k WHERE k.oid = b.attcollation AND k.collname <> 'default')
        ) ORDER BY b.attnum) FROM base b WHERE b.def = o.def) AS reads,
       (SELECT min(w.what) FROM foreigners w WHERE w.def = o.def) AS not_built_in
FROM one o
ORDER BY o.attrelid, o.attnum;
