-- Schema pgl of this database: that it and its tables exist, and whatever in it is not the connected role's or a
-- superuser's alone. No row where there is no such schema. Core catalogs only, none of the schema's own tables.
WITH trusted AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper OR r.rolname = current_user
), n AS (
    SELECT s.oid AS id, s.* FROM pg_catalog.pg_namespace s WHERE s.nspname = 'pgl'
), rel AS (
    SELECT c.oid AS id, c.*, 'relation pgl.' || quote_ident(c.relname) AS label,
           c.relname IN ('marker', 'journal', 'held') AS known
      FROM pg_catalog.pg_class c JOIN n ON n.id = c.relnamespace
     WHERE c.relkind NOT IN ('i', 'I', 't')
)
SELECT 'schema' AS aspect, 'schema pgl' AS object, pg_catalog.pg_get_userbyid(n.nspowner)::text AS role,
       pg_catalog.obj_description(n.id, 'pg_namespace') AS detail
  FROM n
UNION ALL
SELECT 'table', rel.label, NULL, NULL FROM rel WHERE rel.known AND rel.relkind = 'r'
UNION ALL
SELECT 'owner', 'schema pgl', pg_catalog.pg_get_userbyid(n.nspowner)::text, NULL
  FROM n WHERE n.nspowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT 'owner', rel.label, pg_catalog.pg_get_userbyid(rel.relowner)::text, NULL
  FROM rel WHERE rel.relowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT 'owner', 'function pgl.' || quote_ident(p.proname), pg_catalog.pg_get_userbyid(p.proowner)::text, NULL
  FROM pg_catalog.pg_proc p JOIN n ON n.id = p.pronamespace
 WHERE p.proowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT 'privilege', 'schema pgl', r.rolname::text, a.privilege_type
  FROM n, pg_catalog.aclexplode(n.nspacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type <> 'USAGE' AND a.grantee NOT IN (SELECT oid FROM trusted)
   AND a.grantee <> n.nspowner
UNION ALL
SELECT 'privilege', rel.label, r.rolname::text, a.privilege_type
  FROM rel, pg_catalog.aclexplode(rel.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type <> 'SELECT' AND a.grantee NOT IN (SELECT oid FROM trusted)
   AND a.grantee <> rel.relowner
UNION ALL
SELECT 'privilege', rel.label || ', column ' || quote_ident(t.attname), r.rolname::text, a.privilege_type
  FROM rel JOIN pg_catalog.pg_attribute t ON t.attrelid = rel.id AND t.attacl IS NOT NULL,
       pg_catalog.aclexplode(t.attacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type <> 'SELECT' AND a.grantee NOT IN (SELECT oid FROM trusted)
   AND a.grantee <> rel.relowner
UNION ALL
SELECT 'attached', rel.label, NULL, 'trigger ' || quote_ident(g.tgname)
  FROM rel JOIN pg_catalog.pg_trigger g ON g.tgrelid = rel.id
 WHERE NOT g.tgisinternal
UNION ALL
SELECT 'attached', rel.label, NULL, 'rule ' || quote_ident(w.rulename)
  FROM rel JOIN pg_catalog.pg_rewrite w ON w.ev_class = rel.id
UNION ALL
-- Before 9.5 there is no such column, before 12 no oid among a row's own: "id" above.
SELECT 'attached', rel.label, NULL, 'row level security'
  FROM rel WHERE (row_to_json(rel) ->> 'relrowsecurity') = 'true'
UNION ALL
SELECT 'attached', rel.label, NULL, 'inheritance with ' || c.oid::pg_catalog.regclass::text
  FROM rel JOIN pg_catalog.pg_inherits i ON rel.id IN (i.inhparent, i.inhrelid)
  JOIN pg_catalog.pg_class c ON c.oid IN (i.inhparent, i.inhrelid) AND c.oid <> rel.id
UNION ALL
SELECT 'attached', rel.label, NULL, 'foreign key ' || quote_ident(k.conname)
  FROM rel JOIN pg_catalog.pg_constraint k ON rel.id IN (k.conrelid, k.confrelid) AND k.contype = 'f'
UNION ALL
SELECT 'shape', rel.label, NULL, 'no ordinary table'
  FROM rel WHERE rel.known AND rel.relkind <> 'r'
UNION ALL
SELECT 'shape', rel.label || ', column ' || quote_ident(t.attname), NULL,
       'of type ' || pg_catalog.format_type(t.atttypid, NULL)
  FROM rel JOIN pg_catalog.pg_attribute t ON t.attrelid = rel.id AND t.attnum > 0 AND NOT t.attisdropped
  JOIN pg_catalog.pg_type y ON y.oid = t.atttypid
  JOIN pg_catalog.pg_namespace s ON s.oid = y.typnamespace
 WHERE rel.known AND s.nspname <> 'pg_catalog'
UNION ALL
-- Functions of schema pglogical are called with the rights of the tools: nobody else may put one there.
SELECT 'pglogical_exists', 'schema pglogical', NULL, NULL
  FROM pg_catalog.pg_namespace g
 WHERE g.nspname = 'pglogical'
UNION ALL
SELECT 'pglogical', 'schema pglogical', pg_catalog.pg_get_userbyid(g.nspowner)::text, 'owner'
  FROM pg_catalog.pg_namespace g
 WHERE g.nspname = 'pglogical' AND g.nspowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT 'pglogical', 'schema pglogical', r.rolname::text, 'CREATE'
  FROM pg_catalog.pg_namespace g, pg_catalog.aclexplode(g.nspacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE g.nspname = 'pglogical' AND a.privilege_type = 'CREATE' AND a.grantee NOT IN (SELECT oid FROM trusted)
   AND a.grantee <> g.nspowner
UNION ALL
SELECT 'pglogical', 'function pglogical.' || quote_ident(p.proname), pg_catalog.pg_get_userbyid(p.proowner)::text, 'owner'
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace g ON g.oid = p.pronamespace
 WHERE g.nspname = 'pglogical' AND p.proowner NOT IN (SELECT oid FROM trusted)
UNION ALL
-- A row that another role writes into pglogical's tables may be executed by the apply worker, as a superuser. On a managed
-- service they may belong to a role that the connected one is a member of.
SELECT 'pglogical', o.label, r.rolname::text, a.privilege_type
  FROM (SELECT 'relation pglogical.' || quote_ident(c.relname) AS label, c.relowner AS owner, c.relacl AS acl
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace g ON g.oid = c.relnamespace
         WHERE g.nspname = 'pglogical'
        UNION ALL
        SELECT 'relation pglogical.' || quote_ident(c.relname) || ', column ' || quote_ident(t.attname), c.relowner, t.attacl
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace g ON g.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid
         WHERE g.nspname = 'pglogical' AND t.attacl IS NOT NULL) o,
       pg_catalog.aclexplode(o.acl) a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type <> 'SELECT' AND a.grantee <> o.owner AND a.grantee NOT IN (SELECT oid FROM trusted)
   AND (a.grantee = 0 OR NOT pg_catalog.pg_has_role(a.grantee, 'MEMBER')
        OR (SELECT m.rolsuper FROM pg_catalog.pg_roles m WHERE m.rolname = current_user))
