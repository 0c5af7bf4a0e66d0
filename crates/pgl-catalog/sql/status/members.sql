-- Which of the replication sets $3 hold the tables whose schemas are $1 and names $2. A set holds a table
-- by its OID: one that was dropped and created again is in none.
SELECT w.schema, w.name,
       c.oid IS NOT NULL AS exists,
       ARRAY(SELECT s.set_name::text
               FROM pglogical.replication_set_table t
               JOIN pglogical.replication_set s ON s.set_id = t.set_id
               JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
              WHERE t.set_reloid::oid = c.oid AND s.set_name = ANY ($3::text[])
              ORDER BY 1) AS sets
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p'))
         ON n.nspname = w.schema AND c.relname = w.name;
