-- How many rows each catalog of definitions has, and a sum over the transactions that wrote them; without temporary
-- objects, and those of pglogical, of this suite and of initdb. Statistics and the like are written in place and change
-- nothing here.
WITH left_out AS (
    SELECT n.oid
      FROM pg_catalog.pg_namespace n
     WHERE n.nspname ~ '^pg_(toast_)?temp_' OR n.nspname IN ('pgl', 'pglogical', 'pglogical_origin')
), relation AS (
    SELECT c.oid, c.xmin
      FROM pg_catalog.pg_class c
     WHERE c.oid >= 16384 AND c.relnamespace NOT IN (SELECT oid FROM left_out)
), dropped AS (
    SELECT c.oid
      FROM pg_catalog.pg_class c
     WHERE c.relnamespace IN (SELECT oid FROM left_out)
), written AS (
    SELECT 'pg_class' AS catalog, xmin FROM relation
    UNION ALL
    SELECT 'pg_namespace', xmin FROM pg_catalog.pg_namespace WHERE oid NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_attribute', xmin FROM pg_catalog.pg_attribute
     WHERE attnum > 0 AND attrelid >= 16384 AND attrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_attrdef', xmin FROM pg_catalog.pg_attrdef WHERE adrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_constraint', xmin FROM pg_catalog.pg_constraint
     WHERE oid >= 16384 AND connamespace NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_index', xmin FROM pg_catalog.pg_index
     WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_inherits', xmin FROM pg_catalog.pg_inherits WHERE inhrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_trigger', xmin FROM pg_catalog.pg_trigger
     WHERE tgname <> 'pgl_refuse_write' AND tgrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_rewrite', xmin FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND ev_class NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_proc', xmin FROM pg_catalog.pg_proc WHERE oid >= 16384 AND pronamespace NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_type', xmin FROM pg_catalog.pg_type WHERE oid >= 16384 AND typnamespace NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_enum', e.xmin FROM pg_catalog.pg_enum e
    UNION ALL
    SELECT 'pg_operator', xmin FROM pg_catalog.pg_operator WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_cast', xmin FROM pg_catalog.pg_cast WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_extension', xmin FROM pg_catalog.pg_extension
    UNION ALL
    SELECT 'pg_event_trigger', xmin FROM pg_catalog.pg_event_trigger
)
SELECT catalog, count(*) AS rows, sum(xmin::text::bigint)::text AS mark
  FROM written
 GROUP BY catalog
 ORDER BY catalog
