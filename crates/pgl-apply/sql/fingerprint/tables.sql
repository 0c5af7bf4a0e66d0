-- The tables ($1 schemas, $2 names) as the catalog has them, with the replication sets of this node that each is in, by
-- its OID: a table that was dropped and created again is in none.
--
-- identity changes whenever the replica identity does, also when it is afterwards as it was before: ALTER TABLE REPLICA IDENTITY
-- writes the table's row in pg_class, or that of the index in pg_index, and a primary key that is added again is another
-- constraint. REINDEX leaves it as it is; CONCURRENTLY does so for a primary key, whose constraint stays while its index is another.
-- GRANT and the like write the table's row, too. So does it when the table leaves its replication sets and is added again, or when
-- what a set replicates is altered: both write rows of pglogical's catalogs. So do the columns' names in their order: columns that have
-- exchanged their names have exchanged their values, too. And their types: a change that rewrites nothing here is applied to values that were
-- already rounded or shifted on the other side.
--
-- No index leads from a table to its sets, nor from an index to its constraint: both are read once, and not for each table.
WITH in_sets AS (
    SELECT m.set_reloid::oid AS oid,
           string_agg(format(' %s %s %s', s.set_name, m.xmin, s.xmin), '' ORDER BY s.set_name) AS rows,
           json_agg(s.set_name ORDER BY s.set_name) AS names
      FROM pglogical.replication_set_table m
      JOIN pglogical.replication_set s ON s.set_id = m.set_id
      JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
     GROUP BY 1
)
SELECT json_build_object('schema', w.schema, 'name', w.name) AS "table",
       c.oid::bigint AS oid,
       pg_catalog.pg_relation_filenode(c.oid)::bigint AS filenode,
       c.relpersistence::text AS persistence,
       c.relreplident::text AS replica_identity,
       c.xmin::text || COALESCE(' ' || (
           SELECT CASE WHEN c.relreplident = 'i' THEN i.indexrelid::text || ' ' || i.xmin::text
                       ELSE k.oid::text
                  END
             FROM pg_catalog.pg_index i
             LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype = 'p'
            WHERE i.indrelid = c.oid
              AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END), '')
         || COALESCE(s.rows, '')
         || COALESCE((SELECT format(' %s', hashtext(string_agg(format('%s %s %s %s', a.attnum, a.attname, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)))
                        FROM pg_catalog.pg_attribute a
                       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') AS identity,
       COALESCE(s.names, '[]') AS sets
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  LEFT JOIN (pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
         ON n.nspname = w.schema AND c.relname = w.name
  LEFT JOIN in_sets s ON s.oid = c.oid
 ORDER BY w.schema, w.name
