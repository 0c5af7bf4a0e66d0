-- What pg_dump does not write, with the statement that restores it; before_15 where it depends on the version of the target.
-- On the target, what a partition has from a table above it gets the name that it has in the uppermost one. Columns that
-- only later servers have are read by way of JSON; a trigger's parent is its dependency, from 11 on. Objects of initdb have
-- numbers below 16384.
WITH RECURSIVE clone AS (
    SELECT k.tableoid AS classid, k.oid, (pg_catalog.row_to_json(k) ->> 'conparentid')::oid AS parent
    FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f' AND k.coninhcount > 0
    UNION ALL
    SELECT d.classid, d.objid, d.refobjid
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND d.refclassid = d.classid
), up AS (
    SELECT c.classid, c.oid, c.parent AS root FROM clone c
    UNION ALL
    SELECT u.classid, u.oid, c.parent
    FROM up u
    JOIN clone c ON c.classid = u.classid AND c.oid = u.root
), top AS (
    SELECT u.oid, u.root
    FROM up u
    WHERE NOT EXISTS (SELECT FROM clone c WHERE c.classid = u.classid AND c.oid = u.root)
), tables AS (
    SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
), misplaced AS (
    SELECT o.classid, o.objid
    FROM (
        SELECT c.tableoid AS classid, c.oid AS objid, c.relnamespace AS schema
        FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT p.tableoid, p.oid, p.pronamespace FROM pg_catalog.pg_proc p
        UNION ALL
        SELECT y.tableoid, y.oid, y.typnamespace
        FROM pg_catalog.pg_type y
        LEFT JOIN pg_catalog.pg_class c ON c.oid = y.typrelid
        WHERE y.typcategory <> 'A' AND (c.oid IS NULL OR c.relkind = 'c')
        UNION ALL
        SELECT p.tableoid, p.oid, p.oprnamespace FROM pg_catalog.pg_operator p
        UNION ALL
        SELECT l.tableoid, l.oid, l.collnamespace FROM pg_catalog.pg_collation l
    ) o
    WHERE o.objid >= 16384
      AND o.schema IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pg_catalog', 'information_schema'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype IN ('e', 'i'))
), found AS (
    SELECT 'foreign_key' AS kind,
           r.conrelid AS relation,
           pg_catalog.format('%I of %s', k.conname, t.name) AS name,
           s.number,
           s.statement,
           NULL::bool AS before_15
    FROM top
    JOIN pg_catalog.pg_constraint k ON k.oid = top.oid
    -- A key that refers to a partitioned table also has clones: in its own table, one for each partition.
    JOIN pg_catalog.pg_constraint r ON r.oid = top.root AND r.confrelid = k.confrelid AND r.conrelid <> k.conrelid
    JOIN tables t ON t.oid = k.conrelid
    CROSS JOIN LATERAL pg_catalog.obj_description(k.oid, 'pg_constraint') AS note
    CROSS JOIN LATERAL (VALUES
        (1, k.conname <> r.conname,
         pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I;', t.name, r.conname, k.conname)),
        (2, note IS NOT NULL,
         pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L;', k.conname, t.name, note))
    ) s(number, needed, statement)
    WHERE s.needed
    UNION ALL
    SELECT 'trigger',
           r.tgrelid,
           pg_catalog.format('%I of %s', g.tgname, t.name),
           s.number,
           s.statement,
           s.before_15
    FROM top
    JOIN pg_catalog.pg_trigger g ON g.oid = top.oid
    JOIN pg_catalog.pg_trigger r ON r.oid = top.root
    JOIN tables t ON t.oid = g.tgrelid
    CROSS JOIN LATERAL pg_catalog.obj_description(g.oid, 'pg_trigger') AS note
    CROSS JOIN LATERAL (VALUES
        (1, g.tgname <> r.tgname, true,
         pg_catalog.format('ALTER TRIGGER %I ON %s RENAME TO %I;', r.tgname, t.name, g.tgname)),
        (2, note IS NOT NULL, CASE WHEN g.tgname <> r.tgname THEN true END,
         pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L;', g.tgname, t.name, note)),
        -- From 15 on it cannot be renamed.
        (3, g.tgname <> r.tgname, false,
         CASE WHEN note IS NOT NULL
              THEN pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L;', r.tgname, t.name, note) END)
    ) s(number, needed, before_15, statement)
    WHERE s.needed
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = g.tgconstraint AND k.contype <> 't')
    UNION ALL
    SELECT 'check',
           k.conrelid,
           pg_catalog.quote_ident(k.conname),
           1,
           pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L;', k.conname, t.name, d.description),
           NULL
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_description d ON d.classoid = k.tableoid AND d.objoid = k.oid
    JOIN tables t ON t.oid = k.conrelid
    WHERE k.contype = 'c' AND NOT k.conislocal AND k.convalidated
    UNION ALL
    -- The child gets the parent's when it is created, and pg_dump does not set what is the type's default.
    SELECT 'column',
           a.attrelid,
           pg_catalog.quote_ident(a.attname),
           s.number,
           pg_catalog.format('ALTER TABLE ONLY %s ALTER COLUMN %I SET %s;', t.name, a.attname, s.what),
           NULL
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'f')
    JOIN tables t ON t.oid = c.oid
    JOIN pg_catalog.pg_attribute p ON p.attrelid = i.inhparent AND p.attnum > 0 AND NOT p.attisdropped
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.inhrelid AND a.attname = p.attname
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    CROSS JOIN LATERAL (VALUES
        (1, a.attstorage = y.typstorage AND p.attstorage <> a.attstorage,
         'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                         WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END),
        (2, (pg_catalog.row_to_json(a) ->> 'attcompression') = ''
            AND (pg_catalog.row_to_json(p) ->> 'attcompression') <> '',
         'COMPRESSION default')
    ) s(number, needed, what)
    WHERE s.needed
      AND NOT coalesce((pg_catalog.row_to_json(c) ->> 'relispartition')::bool, false)
    UNION ALL
    SELECT 'large_object',
           NULL,
           s.objoid::text,
           1,
           pg_catalog.format('SECURITY LABEL FOR %I ON LARGE OBJECT %s IS %L;', s.provider, s.objoid, s.label),
           NULL
    FROM pg_catalog.pg_seclabel s
    WHERE s.classoid = 'pg_catalog.pg_largeobject'::regclass
    UNION ALL
    SELECT 'database',
           NULL,
           pg_catalog.quote_ident(d.datname),
           1,
           pg_catalog.format('SECURITY LABEL FOR %I ON DATABASE %I IS %L;', s.provider, d.datname, s.label),
           NULL
    FROM pg_catalog.pg_shseclabel s
    JOIN pg_catalog.pg_database d ON d.oid = s.objoid AND d.datname = pg_catalog.current_database()
    WHERE s.classoid = 'pg_catalog.pg_database'::regclass
    UNION ALL
    SELECT 'system_schema', NULL, o.type || ' ' || o.identity, 1, NULL, NULL
    FROM misplaced m
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(m.classid, m.objid, 0) o
)
-- A column may have several parents.
SELECT f.kind, f.relation::int8, f.name, f.statement, f.before_15
FROM found f
GROUP BY f.kind, f.relation, f.name, f.number, f.statement, f.before_15
ORDER BY f.kind, f.relation, f.name, f.number;
