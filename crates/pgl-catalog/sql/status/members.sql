-- Which of the replication sets $3 hold the tables whose schemas are $1 and names $2, and which of their changes are not
-- replicated although they are in a set. A set holds a table by its OID: one that was dropped and created again is in none.
SELECT w.schema, w.name,
       c.oid IS NOT NULL AS exists,
       ARRAY(SELECT s.set_name::text
               FROM pglogical.replication_set_table t
               JOIN pglogical.replication_set s ON s.set_id = t.set_id
               JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
              WHERE t.set_reloid::oid = c.oid AND s.set_name = ANY ($3::text[])
              ORDER BY 1) AS sets,
       ARRAY(SELECT CASE e.event
                    WHEN 'UNLOGGED' THEN 'it is UNLOGGED'
                    WHEN 'IDENTITY' THEN 'it has no replica identity'
                    WHEN 'FILTER' THEN format('replication set %s has a row filter for it', quote_ident(s.set_name))
                    WHEN 'COLUMNS' THEN format('replication set %s has not all of its columns', quote_ident(s.set_name))
                    ELSE format('replication set %s does not replicate %s', quote_ident(s.set_name), e.event)
                    END
               FROM pglogical.replication_set_table t
               JOIN pglogical.replication_set s ON s.set_id = t.set_id
               JOIN pglogical.local_node l ON l.node_id = s.set_nodeid,
                    unnest('{UNLOGGED,IDENTITY,FILTER,COLUMNS,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) e(event)
              WHERE t.set_reloid::oid = c.oid AND s.set_name = ANY ($3::text[])
                AND CASE e.event
                    WHEN 'UNLOGGED' THEN c.relpersistence = 'u'
                    WHEN 'IDENTITY' THEN c.relkind = 'r' AND (s.replicate_update OR s.replicate_delete)
                         AND (c.relreplident = 'n' OR c.relreplident <> 'f' AND NOT EXISTS (
                                SELECT FROM pg_index i
                                 WHERE i.indrelid = c.oid
                                   AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END))
                    WHEN 'FILTER' THEN t.set_row_filter IS NOT NULL
                    -- Generated columns are in no list; before 12 there are none.
                    WHEN 'COLUMNS' THEN t.set_att_list IS NOT NULL AND EXISTS (
                        SELECT FROM pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                           AND COALESCE(row_to_json(a) ->> 'attgenerated', '') = '' AND a.attname <> ALL (t.set_att_list))
                    -- Sets that somebody else has made may be meant so.
                    WHEN 'INSERT' THEN s.set_name IN ('default', 'default_insert_only') AND NOT s.replicate_insert
                    WHEN 'TRUNCATE' THEN s.set_name IN ('default', 'default_insert_only') AND NOT s.replicate_truncate
                    WHEN 'UPDATE' THEN s.set_name = 'default' AND NOT s.replicate_update
                    WHEN 'DELETE' THEN s.set_name = 'default' AND NOT s.replicate_delete
                    END
              ORDER BY 1) AS unreplicated
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p'))
         ON n.nspname = w.schema AND c.relname = w.name;
