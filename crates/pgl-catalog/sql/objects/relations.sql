-- Tables and views of the user (9.5 and later).
-- Sizes are those of the last VACUUM or ANALYZE. Only where there are none is the file measured, and
-- never that of a table that somebody holds exclusively: measuring would wait for the lock.
SELECT c.oid::int8 AS oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind AS kind,
       c.relpersistence AS persistence,
       c.relreplident AS identity,
       -- From 10 on; before 12.
       coalesce(j.class ->> 'relispartition', 'false') = 'true' AS partition,
       coalesce(j.class ->> 'relhasoids', 'false') = 'true' AS oids,
       c.relrowsecurity AS row_security,
       CASE WHEN c.relrowsecurity THEN pg_catalog.row_security_active(c.oid) ELSE false END AS row_security_active,
       e.extname AS extension,
       c.relispopulated AS populated,
       CASE WHEN c.relpages > 0 AND c.reltuples >= 0 THEN c.reltuples::int8
            ELSE nullif(pg_catalog.pg_stat_get_live_tuples(c.oid), 0) END AS rows_estimate,
       CASE WHEN c.relkind NOT IN ('r', 'm') THEN 0
            WHEN c.relpages > 0 THEN c.relpages * b.bytes
            WHEN l.relation IS NULL THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0)
            ELSE 0 END AS heap_bytes,
       CASE WHEN t.oid IS NULL THEN 0
            WHEN t.relpages > 0 THEN t.relpages * b.bytes
            WHEN l.relation IS NULL THEN coalesce(pg_catalog.pg_relation_size(t.oid), 0)
            ELSE 0 END AS toast_bytes
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.row_to_json(c) AS class OFFSET 0) j
CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::int8 AS bytes) b
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
      AND d.objsubid = 0 AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
LEFT JOIN (SELECT DISTINCT k.relation
           FROM pg_catalog.pg_locks k
           JOIN pg_catalog.pg_database o ON o.oid = k.database
           WHERE k.mode = 'AccessExclusiveLock' AND o.datname = pg_catalog.current_database()) l
       ON l.relation = c.oid
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v')
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl');
