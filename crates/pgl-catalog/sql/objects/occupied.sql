-- $1: OIDs of tables whose file is not empty. A statement for each (psql: \gexec) that tells whether a row is visible in it;
-- null where the role may not look, where row security would hide rows, or where somebody holds the table exclusively.
SELECT pg_catalog.format('SELECT %s::int8 AS relation, %L::int8 AS bytes, %s AS has_rows',
                         c.oid, pg_catalog.pg_relation_size(c.oid),
                         CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                               AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
                              THEN pg_catalog.format('EXISTS (SELECT 1 FROM ONLY %I.%I)', n.nspname, c.relname)
                              ELSE 'NULL::bool' END) AS statement
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::int8[]::oid[])
  AND NOT EXISTS (SELECT 1
                  FROM pg_catalog.pg_locks k
                  JOIN pg_catalog.pg_database o ON o.oid = k.database
                  WHERE k.mode = 'AccessExclusiveLock' AND k.relation = c.oid
                    AND o.datname = pg_catalog.current_database());
