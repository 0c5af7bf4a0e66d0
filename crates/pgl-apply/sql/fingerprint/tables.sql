-- The tables ($1 schemas, $2 names) as the catalog has them, with the replication sets of this node that each is in, by
-- its OID: a table that was dropped and created again is in none.
SELECT json_build_object('schema', w.schema, 'name', w.name) AS "table",
       c.oid::bigint AS oid,
       pg_catalog.pg_relation_filenode(c.oid)::bigint AS filenode,
       c.relpersistence::text AS persistence,
       c.relreplident::text AS replica_identity,
       COALESCE((SELECT json_agg(s.set_name ORDER BY s.set_name)
                   FROM pglogical.replication_set_table m
                   JOIN pglogical.replication_set s ON s.set_id = m.set_id
                   JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
                  WHERE m.set_reloid::oid = c.oid), '[]') AS sets
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  LEFT JOIN (pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
         ON n.nspname = w.schema AND c.relname = w.name
 ORDER BY w.schema, w.name
