-- Foreign keys between different tables.
SELECT f.conname::text AS name,
       n.nspname::text AS schema,
       c.relname::text AS "table",
       rn.nspname::text AS references_schema,
       rc.relname::text AS "references"
  FROM pg_constraint f
  JOIN pg_class c ON c.oid = f.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class rc ON rc.oid = f.confrelid
  JOIN pg_namespace rn ON rn.oid = rc.relnamespace
 WHERE f.contype = 'f' AND f.conrelid <> f.confrelid
 ORDER BY 2, 3, 1;
