-- Schemas pgl and pglogical of this database: that they and the tables of the first exist, and whatever in them is not
-- the connected role's or a superuser's alone. Core catalogs only, none of the schemas' own tables.
WITH trusted AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper OR r.rolname = current_user
), s AS (
    SELECT n.oid AS id, n.nspname AS schema, 'schema ' || n.nspname AS label, n.nspowner AS owner, n.nspacl AS acl
      FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pgl', 'pglogical')
), rel AS (
    SELECT c.oid AS id, s.schema, c.*, 'relation ' || s.schema || '.' || quote_ident(c.relname) AS label,
           s.schema = 'pgl' AS own, s.schema = 'pgl' AND c.relname IN ('marker', 'journal', 'held') AS known
      FROM pg_catalog.pg_class c JOIN s ON s.id = c.relnamespace
     WHERE c.relkind NOT IN ('i', 'I', 't')
)
SELECT CASE s.schema WHEN 'pgl' THEN 'schema' ELSE 'pglogical_exists' END AS aspect, s.label AS object,
       pg_catalog.pg_get_userbyid(s.owner)::text AS role, pg_catalog.obj_description(s.id, 'pg_namespace') AS detail
  FROM s
UNION ALL
SELECT CASE rel.relkind WHEN 'r' THEN 'table' ELSE 'shape' END, rel.label, NULL,
       CASE rel.relkind WHEN 'r' THEN NULL ELSE 'no ordinary table' END
  FROM rel WHERE rel.known
UNION ALL
-- Functions of schema pglogical are called with the rights of the tools: nobody else may put one there.
SELECT CASE o.schema WHEN 'pgl' THEN 'owner' ELSE 'pglogical' END, o.label, pg_catalog.pg_get_userbyid(o.owner)::text,
       CASE o.schema WHEN 'pgl' THEN NULL ELSE 'owner' END
  FROM (SELECT s.schema, s.label, s.owner FROM s
        UNION ALL
        SELECT rel.schema, rel.label, rel.relowner FROM rel WHERE rel.own
        UNION ALL
        SELECT s.schema, 'function ' || s.schema || '.' || quote_ident(p.proname), p.proowner
          FROM pg_catalog.pg_proc p JOIN s ON s.id = p.pronamespace) o
 WHERE o.owner NOT IN (SELECT oid FROM trusted)
UNION ALL
-- A row that another role writes into pglogical's tables may be executed by the apply worker, as a superuser. On a managed
-- service they may belong to a role that the connected one is a member of.
SELECT CASE o.schema WHEN 'pgl' THEN 'privilege' ELSE 'pglogical' END, o.label, r.rolname::text, a.privilege_type
  FROM (SELECT s.schema, s.label, s.owner, s.acl, 'USAGE' AS harmless FROM s
        UNION ALL
        SELECT rel.schema, rel.label, rel.relowner, rel.relacl, 'SELECT' FROM rel
        UNION ALL
        SELECT rel.schema, rel.label || ', column ' || quote_ident(t.attname), rel.relowner, t.attacl, 'SELECT'
          FROM rel JOIN pg_catalog.pg_attribute t ON t.attrelid = rel.id
         WHERE t.attacl IS NOT NULL) o,
       pg_catalog.aclexplode(o.acl) a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type <> o.harmless AND a.grantee <> o.owner AND a.grantee NOT IN (SELECT oid FROM trusted)
   AND (o.schema = 'pgl' OR o.harmless = 'USAGE' OR a.grantee = 0 OR NOT pg_catalog.pg_has_role(a.grantee, 'MEMBER')
        OR (SELECT m.rolsuper FROM pg_catalog.pg_roles m WHERE m.rolname = current_user))
UNION ALL
SELECT 'attached', rel.label, NULL, 'trigger ' || quote_ident(g.tgname)
  FROM rel JOIN pg_catalog.pg_trigger g ON g.tgrelid = rel.id
 WHERE rel.own AND NOT g.tgisinternal
UNION ALL
SELECT 'attached', rel.label, NULL, 'rule ' || quote_ident(w.rulename)
  FROM rel JOIN pg_catalog.pg_rewrite w ON w.ev_class = rel.id
 WHERE rel.own
UNION ALL
-- Before 9.5 there is no such column, before 12 no oid among a row's own: "id" above.
SELECT 'attached', rel.label, NULL, 'row level security'
  FROM rel WHERE rel.own AND (row_to_json(rel) ->> 'relrowsecurity') = 'true'
UNION ALL
SELECT 'attached', rel.label, NULL, 'inheritance with ' || c.oid::pg_catalog.regclass::text
  FROM rel JOIN pg_catalog.pg_inherits i ON rel.id IN (i.inhparent, i.inhrelid)
  JOIN pg_catalog.pg_class c ON c.oid IN (i.inhparent, i.inhrelid) AND c.oid <> rel.id
 WHERE rel.own
UNION ALL
SELECT 'attached', rel.label, NULL, 'foreign key ' || quote_ident(k.conname)
  FROM rel JOIN pg_catalog.pg_constraint k ON rel.id IN (k.conrelid, k.confrelid) AND k.contype = 'f'
 WHERE rel.own
UNION ALL
SELECT 'shape', rel.label || ', column ' || quote_ident(t.attname), NULL,
       'of type ' || pg_catalog.format_type(t.atttypid, NULL)
  FROM rel JOIN pg_catalog.pg_attribute t ON t.attrelid = rel.id AND t.attnum > 0 AND NOT t.attisdropped
  JOIN pg_catalog.pg_type y ON y.oid = t.atttypid
  JOIN pg_catalog.pg_namespace s ON s.oid = y.typnamespace
 WHERE rel.known AND s.nspname <> 'pg_catalog'
