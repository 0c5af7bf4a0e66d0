-- Tables of the target and their columns.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       c.oid::bigint AS oid,
       c.relkind::text AS kind,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL), '{}') AS columns,
       coalesce(array_agg(a.type ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL), '{}') AS types,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.generated), '{}') AS generated,
       coalesce(array_agg(a.attname::text ORDER BY a.attnum)
                FILTER (WHERE a.attnotnull AND NOT a.atthasdef AND NOT a.identity), '{}') AS required,
       EXISTS (SELECT 1 FROM pg_index i
                WHERE i.indrelid = c.oid AND i.indisvalid
                  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate
                                          WHEN 'i' THEN i.indisreplident ELSE false END) AS has_identity
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       SELECT attname, attnum, attnotnull, atthasdef, format_type(atttypid, atttypmod) AS type,
              coalesce(row_to_json(t) ->> 'attgenerated', '') <> '' AS generated,
              coalesce(row_to_json(t) ->> 'attidentity', '') <> '' AS identity
         FROM pg_attribute t
        WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) a ON true
 WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm')
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pglogical')
 GROUP BY c.oid, n.nspname, c.relname, c.relkind, c.relreplident
 ORDER BY 1, 2;
