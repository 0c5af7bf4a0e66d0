-- Foreign keys that refer to one of the tables $1 (schemas) and $2 (names), with $3 also from itself, and how a row is
-- told that refers to nothing: as fk and pk, the rows of the two sides. A partition is referred to
-- through its partitioned table; the key is given as it was declared, whole. Columns that only later
-- servers have are read by way of JSON.
WITH RECURSIVE asked AS (
    SELECT c.oid
      FROM unnest($1::text[], $2::text[]) AS t(schema, name)
      JOIN pg_namespace n ON n.nspname = t.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
), up AS (
    SELECT f.oid, COALESCE((to_json(f) ->> 'conparentid')::oid, 0::oid) AS parent
      FROM pg_constraint f
     WHERE f.contype = 'f'
       AND f.confrelid IN (SELECT a.oid FROM asked a)
       AND ($3::bool OR f.conrelid <> f.confrelid)
    UNION
    SELECT f.oid, COALESCE((to_json(f) ->> 'conparentid')::oid, 0::oid)
      FROM up
      JOIN pg_constraint f ON f.oid = up.parent
)
SELECT f.conname::text AS name,
       n.nspname::text AS schema,
       c.relname::text AS "table",
       c.relkind = 'p' AS partitioned,
       rn.nspname::text AS references_schema,
       rc.relname::text AS "references",
       rc.relkind = 'p' AS references_partitioned,
       f.convalidated AS valid,
       COALESCE((to_json(f) ->> 'conenforced')::bool, true) AS enforced,
       COALESCE((to_json(f) ->> 'conperiod')::bool, false) AS period,
       array_to_json(p.columns) AS columns,
       p.matches,
       p.present
  FROM up
  JOIN pg_constraint f ON f.oid = up.oid
  JOIN pg_class c ON c.oid = f.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class rc ON rc.oid = f.confrelid
  JOIN pg_namespace rn ON rn.oid = rc.relnamespace
  CROSS JOIN LATERAL (
      SELECT array_agg(a.attname::text ORDER BY i) AS columns,
             string_agg(
                 format('pk.%I OPERATOR(%I.%s) fk.%I', ra.attname, opn.nspname, op.oprname, a.attname)
                 -- As the server's own check does it: the referenced side's collation decides.
                 || CASE WHEN a.attcollation <> ra.attcollation AND ra.attcollation <> 0
                         THEN (SELECT format(' COLLATE %I.%I', con.nspname, co.collname)
                                 FROM pg_collation co
                                 JOIN pg_namespace con ON con.oid = co.collnamespace
                                WHERE co.oid = ra.attcollation)
                         ELSE '' END,
                 ' AND ' ORDER BY i) AS matches,
             -- MATCH SIMPLE lets a row pass where one column is null, MATCH FULL where all are.
             string_agg(format('fk.%I IS NOT NULL', a.attname),
                        CASE f.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END ORDER BY i) AS present
        FROM generate_subscripts(f.conkey, 1) AS i
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[i]
        JOIN pg_attribute ra ON ra.attrelid = f.confrelid AND ra.attnum = f.confkey[i]
        JOIN pg_operator op ON op.oid = f.conpfeqop[i]
        JOIN pg_namespace opn ON opn.oid = op.oprnamespace
  ) p
 WHERE up.parent = 0
 ORDER BY 2, 3, 1
