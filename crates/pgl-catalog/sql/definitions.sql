-- What a database defines, by name: one row for each thing that somebody may add to one side and forget on
-- the other. "on_table" is null for what belongs to no table. Copies of a partition's root are left out where
-- they are not told apart by name on every major, and what belongs to an extension, to pglogical or to this suite.
WITH relation AS (
    SELECT c.oid, c.relkind, n.nspname, c.relname, n.nspname || '.' || c.relname AS named
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
       AND n.nspname !~ '^pg_(toast|temp)'
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), stored AS (
    SELECT * FROM relation WHERE relkind IN ('r', 'p')
)
SELECT r.nspname AS schema, r.relname AS on_table, 'column' AS kind, a.attname AS name
  FROM stored r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT r.nspname, r.relname, 'default of column', a.attname
  FROM stored r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atthasdef
UNION ALL
SELECT r.nspname, r.relname, 'not null of column', a.attname
  FROM stored r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
UNION ALL
SELECT r.nspname, r.relname, 'parent', p.named
  FROM stored r
  JOIN pg_inherits i ON i.inhrelid = r.oid
  JOIN relation p ON p.oid = i.inhparent
UNION ALL
SELECT r.nspname, r.relname, 'constraint', k.conname
  FROM stored r
  JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype IN ('c', 'p', 'u', 'x')
UNION ALL
SELECT r.nspname, r.relname, 'foreign key', k.conname
  FROM stored r
  JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f' AND k.conislocal
UNION ALL
SELECT r.nspname, r.relname, 'index', x.relname
  FROM stored r
  JOIN pg_index i ON i.indrelid = r.oid
  JOIN pg_class x ON x.oid = i.indexrelid
 -- pg_dump leaves out what a failed CREATE INDEX CONCURRENTLY has left.
 WHERE (i.indisvalid OR x.relkind = 'I')
   AND NOT EXISTS (SELECT FROM pg_constraint k
                    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
-- Triggers of partitions are copies of their root's.
SELECT r.nspname, r.relname, 'trigger', t.tgname
  FROM relation r
  JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgname <> 'pgl_refuse_write'
 WHERE NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                    WHERE i.inhrelid = r.oid AND p.relkind = 'p')
UNION ALL
SELECT r.nspname, r.relname, 'owner', pg_get_userbyid(c.relowner)
  FROM stored r
  JOIN pg_class c ON c.oid = r.oid
UNION ALL
SELECT r.nspname, r.relname, 'privilege', lower(g.privilege_type) || ' of ' ||
       CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END
  FROM stored r
  JOIN pg_class c ON c.oid = r.oid
 CROSS JOIN LATERAL aclexplode(c.relacl) g
 WHERE g.grantee <> c.relowner
UNION ALL
-- As JSON, because 9.4 has no such column.
SELECT r.nspname, r.relname, 'row security', row_to_json(c) ->> 'relrowsecurity'
  FROM stored r
  JOIN pg_class c ON c.oid = r.oid
 WHERE row_to_json(c) ->> 'relrowsecurity' = 'true'
UNION ALL
SELECT r.nspname, NULL, CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialised view' END, r.relname
  FROM relation r
 WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT n.nspname, NULL, 'value of enum ' || t.typname, e.enumlabel
  FROM pg_enum e
  JOIN pg_type t ON t.oid = e.enumtypid
  JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
UNION ALL
SELECT n.nspname, NULL, 'function', format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid))
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin', 'pgl')
   AND n.nspname !~ '^pg_(toast|temp)'
   -- Null for one that was dropped since this statement began.
   AND pg_get_function_identity_arguments(p.oid) IS NOT NULL
   -- Those of a range or another type come with it.
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
