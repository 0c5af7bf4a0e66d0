-- Ordinary tables and sequences of the database, each with the tables that it is a child or a partition of, directly or
-- not. What belongs to an extension, to pglogical or to this suite is left out.
WITH RECURSIVE up AS (
    SELECT i.inhrelid AS child, i.inhparent AS parent
      FROM pg_inherits i
    UNION
    SELECT u.child, i.inhparent
      FROM up u
      JOIN pg_inherits i ON i.inhrelid = u.parent
)
SELECT n.nspname AS schema,
       c.relname AS name,
       c.relkind = 'S' AS sequence,
       COALESCE((
           SELECT json_agg(json_build_object('schema', m.nspname, 'name', p.relname))
             FROM up u
             JOIN pg_class p ON p.oid = u.parent
             JOIN pg_namespace m ON m.oid = p.relnamespace
            WHERE u.child = c.oid), '[]'::json) AS ancestors
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'S')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
   AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
