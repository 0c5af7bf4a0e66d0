-- Schemas of the user, with the suite's own and pglogical's. Of these two the relations that belong
-- to no extension are named.
SELECT n.nspname AS name,
       pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
       coalesce(r.names, '{}') AS relations
FROM pg_catalog.pg_namespace n
LEFT JOIN (SELECT c.relnamespace AS oid, pg_catalog.array_agg(c.relname::text ORDER BY c.relname) AS names
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace o ON o.oid = c.relnamespace
           WHERE o.nspname IN ('pgl', 'pglogical')
             AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend x
                             WHERE x.classid = 'pg_catalog.pg_class'::regclass
                               AND x.objid = c.oid AND x.deptype = 'e')
           GROUP BY c.relnamespace) r ON r.oid = n.oid
WHERE n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema';
