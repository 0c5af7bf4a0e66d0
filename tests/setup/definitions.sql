-- Everything that defines the user's schemas, in words that all majors write alike.
WITH spaces AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pglogical', 'pgl')
), grants AS (
    SELECT c.oid, string_agg(a::text, ',' ORDER BY a::text COLLATE "C") AS acl
      FROM pg_catalog.pg_class c, unnest(c.relacl) a GROUP BY c.oid
)
SELECT 'relation', n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner),
       regexp_replace(COALESCE(g.acl, ''), 'm(?=[^a-zA-Z]*/)', '', 'g'),
       c.relrowsecurity::text, obj_description(c.oid, 'pg_class')
  FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace LEFT JOIN grants g ON g.oid = c.oid
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'i', 'I')
UNION ALL
SELECT 'column', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull::text, a.attidentity::text || a.attgenerated::text, a.attstorage::text
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN spaces n ON n.oid = c.relnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT 'index', n.nspname, c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid::text, i.indisreplident::text, '', ''
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN spaces n ON n.oid = c.relnamespace
UNION ALL
SELECT 'constraint', n.nspname, k.conrelid::regclass::text, k.conname, k.contype::text,
       pg_get_constraintdef(k.oid), k.convalidated::text, ''
  FROM pg_catalog.pg_constraint k JOIN spaces n ON n.oid = k.connamespace
 WHERE k.contype IN ('p', 'u', 'x', 'c') OR (k.contype = 'f' AND $keys AND k.conparentid = 0)
UNION ALL
SELECT 'trigger', n.nspname, c.relname, t.tgname,
       CASE WHEN t.tgenabled IN ('A', 'R') THEN 'D' ELSE t.tgenabled::text END, '', '', ''
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN spaces n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal
UNION ALL
SELECT 'policy', n.nspname, c.relname, p.polname, pg_get_expr(p.polqual, p.polrelid), '', '', ''
  FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN spaces n ON n.oid = c.relnamespace
UNION ALL
SELECT 'routine', n.nspname, p.proname, md5(p.prosrc), '', '', '', ''
  FROM pg_catalog.pg_proc p JOIN spaces n ON n.oid = p.pronamespace
 WHERE p.prolang <> 12 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype IN ('e', 'i'))
UNION ALL
SELECT 'statistics', n.nspname, s.stxname, '', '', '', '', ''
  FROM pg_catalog.pg_statistic_ext s JOIN spaces n ON n.oid = s.stxnamespace
UNION ALL
SELECT 'matview', n.nspname, c.relname, c.relispopulated::text, '', '', '', ''
  FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace WHERE c.relkind = 'm'
UNION ALL
SELECT 'rule', r.schemaname, r.tablename, r.rulename, '', '', '', ''
  FROM pg_catalog.pg_rules r JOIN spaces n ON n.nspname = r.schemaname
ORDER BY 1, 2, 3, 4, 5, 6
