-- What the attempt has to lock or alter of this database and this role may not, each with the role that it would have to be a member
-- of: the database, the tables and sequences ($1 schemas, $2 names), and the roles $3, whose settings are altered.
SELECT format('%s of %I', CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END || format(' %I.%I', w.schema, w.name), o.rolname) AS what,
       format('GRANT %I TO %I', o.rolname, current_user) AS sql
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
  JOIN pg_roles o ON o.oid = c.relowner
 WHERE NOT pg_has_role(c.relowner, 'USAGE')
 UNION ALL
SELECT format('database %I of %I', d.datname, o.rolname), format('GRANT %I TO %I', o.rolname, current_user)
  FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba
 WHERE d.datname = current_database() AND NOT pg_has_role(d.datdba, 'USAGE')
 UNION ALL
SELECT format('role %I', r.rolname), format('GRANT %I TO %I WITH ADMIN OPTION', r.rolname, current_user)
  FROM pg_roles r, pg_roles me
 WHERE r.rolname = ANY ($3::text[]) AND me.rolname = current_user AND NOT me.rolsuper AND r.oid <> me.oid
   AND (r.rolsuper OR NOT me.rolcreaterole
        OR current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'))
 ORDER BY 1
