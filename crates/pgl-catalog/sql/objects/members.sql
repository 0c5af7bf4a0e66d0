-- The statement (psql: \gexec) that lists what stands in pglogical's replication sets; none where pglogical is not
-- installed, because its tables cannot be named in a statement that has to run without them.
SELECT 'SELECT s.set_name::text AS set_name, m.relation
        FROM (SELECT set_id, set_reloid::oid::int8 AS relation FROM pglogical.replication_set_table
              UNION ALL
              SELECT set_id, set_seqoid::oid::int8 FROM pglogical.replication_set_seq) m
        JOIN pglogical.replication_set s ON s.set_id = m.set_id
        ORDER BY 2, 1' AS statement
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'pglogical'
  AND c.relname IN ('replication_set', 'replication_set_table', 'replication_set_seq')
HAVING pg_catalog.count(*) = 3;
