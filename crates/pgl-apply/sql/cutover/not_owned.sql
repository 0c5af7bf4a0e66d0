-- What the attempt has to lock, alter or see of this database and this role may not, each with what would give it the right: the
-- database, the tables and sequences ($1 schemas, $2 names), the roles $3, whose settings are altered, and the sessions of others, which it sees and ends.
-- No role can be made a member of a service's superuser.
SELECT format('%s %s of %I', w.kind, w.name, o.rolname) AS what,
       CASE WHEN o.rolsuper THEN format('ALTER %s %s OWNER TO %I', upper(w.kind), w.name, current_user)
            ELSE format('GRANT %I TO %I', o.rolname, current_user) END AS sql
  FROM (SELECT c.relowner AS owner, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
               format('%I.%I', w.schema, w.name) AS name
          FROM unnest($1::text[], $2::text[]) AS w(schema, name)
          JOIN pg_namespace n ON n.nspname = w.schema
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
         UNION ALL
        SELECT d.datdba, 'database', quote_ident(d.datname) FROM pg_database d WHERE d.datname = current_database()) w
  JOIN pg_roles o ON o.oid = w.owner
 WHERE NOT pg_has_role(w.owner, 'USAGE')
 UNION ALL
SELECT format('role %I', r.rolname),
       CASE WHEN r.rolsuper THEN format('ALTER ROLE %I RESET default_transaction_read_only', r.rolname)
            WHEN NOT me.rolcreaterole THEN format('ALTER ROLE %I CREATEROLE', current_user)
            ELSE format('GRANT %I TO %I WITH ADMIN OPTION', r.rolname, current_user) END
  FROM pg_roles r, pg_roles me
 WHERE r.rolname = ANY ($3::text[]) AND me.rolname = current_user AND NOT me.rolsuper AND r.oid <> me.oid
   AND (r.rolsuper OR NOT me.rolcreaterole
        OR current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'))
 UNION ALL
SELECT 'the sessions of other roles', format('GRANT %I TO %I', r.rolname, current_user)
  FROM pg_roles r
 WHERE r.rolname IN ('pg_read_all_stats', 'pg_signal_backend') AND NOT pg_has_role(r.oid, 'USAGE')
 ORDER BY 1
