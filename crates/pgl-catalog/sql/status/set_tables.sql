-- The tables in the replication sets $1 with the columns that are replicated.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum)
                FILTER (WHERE a.attname IS NOT NULL AND (m.columns IS NULL OR a.attname = ANY (m.columns))), '{}') AS columns,
       coalesce(array_agg(a.type ORDER BY a.attnum)
                FILTER (WHERE a.attname IS NOT NULL AND (m.columns IS NULL OR a.attname = ANY (m.columns))), '{}') AS types,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum)
                FILTER (WHERE a.generated), '{}') AS generated,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum)
                FILTER (WHERE a.generated AND m.columns IS NOT NULL AND NOT a.attname = ANY (m.columns)), '{}')
           AS generated_left_out,
       m.updates
  FROM (SELECT t.set_reloid::oid AS relation,
               -- In several sets, pglogical sends the columns of all; one set without a list means all.
               CASE WHEN bool_or(t.set_att_list IS NULL) THEN NULL
                    ELSE (SELECT array_agg(DISTINCT u) FROM unnest(string_to_array(string_agg(array_to_string(t.set_att_list, chr(1)), chr(1)), chr(1))) u)
               END AS columns,
               bool_or(s.replicate_update OR s.replicate_delete) AS updates
          FROM pglogical.replication_set_table t
          JOIN pglogical.replication_set s ON s.set_id = t.set_id
         WHERE s.set_name = ANY ($1::text[])
         GROUP BY t.set_reloid) m
  JOIN pg_class c ON c.oid = m.relation AND c.relkind = 'r'
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       SELECT attname, attnum, format_type(atttypid, atttypmod) AS type, coalesce(row_to_json(t) ->> 'attgenerated', '') <> '' AS generated
         FROM pg_attribute t
        WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) a ON true
 GROUP BY n.nspname, c.relname, m.updates
 ORDER BY 1, 2;
