-- The same for catalogs that came with 9.5 and 10.
WITH dropped AS (
    SELECT c.oid
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname ~ '^pg_(toast_)?temp_' OR n.nspname IN ('pgl', 'pglogical', 'pglogical_origin')
), written AS (
    SELECT 'pg_policy' AS catalog, xmin FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 'pg_sequence', xmin FROM pg_catalog.pg_sequence WHERE seqrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_partitioned_table', xmin FROM pg_catalog.pg_partitioned_table
    UNION ALL
    SELECT 'pg_statistic_ext', xmin FROM pg_catalog.pg_statistic_ext
    UNION ALL
    SELECT 'pg_transform', xmin FROM pg_catalog.pg_transform
    UNION ALL
    SELECT 'pg_publication', xmin FROM pg_catalog.pg_publication
    UNION ALL
    -- Tables of publications, and from 15 on schemas, which are in a catalog of their own.
    SELECT 'pg_publication_rel', xmin FROM pg_catalog.pg_depend
     WHERE refclassid = 'pg_catalog.pg_publication'::regclass
)
SELECT catalog, count(*) AS rows, sum(xmin::text::bigint)::text AS mark
  FROM written
 GROUP BY catalog
 ORDER BY catalog
