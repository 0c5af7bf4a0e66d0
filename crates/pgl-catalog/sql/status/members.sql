-- Which of the replication sets $3 hold the tables whose schemas are $1 and names $2, and which of their changes are not
-- replicated although they are in a set. A set holds a table by its OID: one that was dropped and created again is in none.
-- No index leads from a table to its sets: they are read once, and not for each table.
WITH member AS (
    SELECT t.set_reloid::oid AS reloid, t.set_row_filter, t.set_att_list,
           s.set_name, s.replicate_insert, s.replicate_update, s.replicate_delete, s.replicate_truncate
      FROM pglogical.replication_set_table t
      JOIN pglogical.replication_set s ON s.set_id = t.set_id
      JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
     WHERE s.set_name = ANY ($3::text[])
)
SELECT w.schema, w.name,
       c.oid IS NOT NULL AS exists,
       COALESCE(array_agg(DISTINCT m.set_name::text) FILTER (WHERE m.reloid IS NOT NULL), '{}') AS sets,
       COALESCE(array_agg(lost.change ORDER BY lost.change) FILTER (WHERE lost.change IS NOT NULL), '{}') AS unreplicated
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p'))
         ON n.nspname = w.schema AND c.relname = w.name
  LEFT JOIN member m ON m.reloid = c.oid
  LEFT JOIN LATERAL (
       SELECT CASE e.event
              WHEN 'UNLOGGED' THEN 'it is UNLOGGED'
              WHEN 'IDENTITY' THEN 'it has no replica identity'
              WHEN 'FILTER' THEN format('replication set %s has a row filter for it', quote_ident(m.set_name))
              WHEN 'COLUMNS' THEN format('replication set %s has not all of its columns', quote_ident(m.set_name))
              ELSE format('replication set %s does not replicate %s', quote_ident(m.set_name), e.event)
              END AS change
         FROM unnest('{UNLOGGED,IDENTITY,FILTER,COLUMNS,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) e(event)
        WHERE CASE e.event
              WHEN 'UNLOGGED' THEN c.relpersistence = 'u'
              WHEN 'IDENTITY' THEN c.relkind = 'r' AND (m.replicate_update OR m.replicate_delete)
                   AND (c.relreplident = 'n' OR c.relreplident <> 'f' AND NOT EXISTS (
                          SELECT FROM pg_index i
                           WHERE i.indrelid = c.oid
                             AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END))
              WHEN 'FILTER' THEN m.set_row_filter IS NOT NULL
              -- Generated columns are in no list; before 12 there are none.
              WHEN 'COLUMNS' THEN m.set_att_list IS NOT NULL AND EXISTS (
                  SELECT FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     AND COALESCE(row_to_json(a) ->> 'attgenerated', '') = '' AND a.attname <> ALL (m.set_att_list))
              -- Sets that somebody else has made may be meant so.
              WHEN 'INSERT' THEN m.set_name IN ('default', 'default_insert_only') AND NOT m.replicate_insert
              WHEN 'TRUNCATE' THEN m.set_name IN ('default', 'default_insert_only') AND NOT m.replicate_truncate
              WHEN 'UPDATE' THEN m.set_name = 'default' AND NOT m.replicate_update
              WHEN 'DELETE' THEN m.set_name = 'default' AND NOT m.replicate_delete
              END) lost ON m.reloid IS NOT NULL
 GROUP BY w.schema, w.name, c.oid;
