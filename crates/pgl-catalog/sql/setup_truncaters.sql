-- Who may truncate the tables $1 (schemas) and $2 (names) and may not use schema pglogical: their
-- TRUNCATE would fail in the trigger that a replication set puts on a table. Owners count even
-- where they have taken the privilege from themselves: they can give it back at any time.
WITH meant AS (
    SELECT c.oid, c.relowner, c.relacl
      FROM unnest($1::text[], $2::text[]) AS t(schema, name)
      JOIN pg_namespace n ON n.nspname = t.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
), holders AS (
    SELECT relowner AS grantee FROM meant
    UNION
    SELECT a.grantee
      FROM meant, aclexplode(COALESCE(relacl, acldefault('r', relowner))) a
     WHERE a.privilege_type = 'TRUNCATE'
)
SELECT r.rolname AS name
  FROM holders h
  LEFT JOIN pg_roles r ON r.oid = h.grantee
 WHERE CASE WHEN h.grantee = 0
            THEN NOT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
                              WHERE n.nspname = 'pglogical' AND a.grantee = 0
                                AND a.privilege_type = 'USAGE')
            ELSE NOT r.rolsuper
                 AND NOT EXISTS (SELECT FROM pg_namespace n
                                  WHERE n.nspname = 'pglogical'
                                    AND has_schema_privilege(r.oid, n.oid, 'USAGE'))
       END
 ORDER BY r.rolname NULLS FIRST
