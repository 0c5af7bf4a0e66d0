-- For each of the sequences ($1 schemas, $2 names): whether it exists, and the statement that locks it and changes nothing, as no
-- owner is another afterwards. LOCK TABLE does not take a sequence. Null where this role may not act for the owner.
SELECT json_build_object('schema', w.schema, 'name', w.name) AS sequence,
       c.oid IS NOT NULL AS exists,
       CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE')
            THEN format('ALTER TABLE %I.%I OWNER TO %I', w.schema, w.name, pg_catalog.pg_get_userbyid(c.relowner))
       END AS sql
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
         ON n.nspname = w.schema AND c.relname = w.name AND c.relkind = 'S'
 ORDER BY w.schema, w.name
