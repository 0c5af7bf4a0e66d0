-- $1: OIDs of tables whose file is not empty. Whether a row is visible in them; null where the role
-- may not look, where row security would hide rows, or where somebody holds the table exclusively.
SELECT c.oid::int8 AS relation,
       pg_catalog.pg_relation_size(c.oid) AS bytes,
       CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
             AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
            THEN (pg_catalog.xpath('/row/n/text()', pg_catalog.query_to_xml(
                    pg_catalog.format('SELECT count(*) AS n FROM (SELECT 1 FROM ONLY %I.%I LIMIT 1) t',
                                      n.nspname, c.relname),
                    false, true, '')))[1]::text = '1'
            END AS has_rows
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::int8[]::oid[])
  AND NOT EXISTS (SELECT 1
                  FROM pg_catalog.pg_locks k
                  JOIN pg_catalog.pg_database o ON o.oid = k.database
                  WHERE k.mode = 'AccessExclusiveLock' AND k.relation = c.oid
                    AND o.datname = pg_catalog.current_database());
