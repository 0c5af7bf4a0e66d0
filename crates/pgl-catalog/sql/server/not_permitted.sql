-- What a cutover has to lock, alter or see of this database and this role may not: the database, the tables and sequences ($1 schemas,
-- $2 names), the roles $3, whose settings are altered, the sessions of others, which it sees and ends, and where $4 says that rows will be
-- applied here, the event triggers that would fire for them, which it disables; each with the role that a membership would have to be in.
SELECT f.kind, f.schema, f.name, o.rolname AS role, o.rolsuper AS superuser, me.rolcreaterole AS createrole
  FROM (SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, w.schema, w.name, c.relowner AS role
          FROM unnest($1::text[], $2::text[]) AS w(schema, name)
          JOIN pg_namespace n ON n.nspname = w.schema
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
         WHERE NOT pg_has_role(c.relowner, 'USAGE')
         UNION ALL
        SELECT 'database', NULL, d.datname, d.datdba
          FROM pg_database d
         WHERE d.datname = current_database() AND NOT pg_has_role(d.datdba, 'USAGE')
         UNION ALL
        SELECT 'role', NULL, r.rolname, r.oid
          FROM pg_roles r, pg_roles me
         WHERE r.rolname = ANY ($3::text[]) AND me.rolname = current_user AND NOT me.rolsuper AND r.oid <> me.oid
           AND (r.rolsuper OR NOT me.rolcreaterole
                OR current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'))
         UNION ALL
        SELECT 'event_trigger', NULL, e.evtname, e.evtowner
          FROM pg_event_trigger e
         WHERE $4 AND e.evtenabled IN ('A', 'R') AND NOT pg_has_role(e.evtowner, 'USAGE')
         UNION ALL
        SELECT 'sessions', NULL, '', r.oid
          FROM pg_roles r
         WHERE r.rolname IN ('pg_read_all_stats', 'pg_signal_backend') AND NOT pg_has_role(r.oid, 'USAGE')) f
  JOIN pg_roles o ON o.oid = f.role
  JOIN pg_roles me ON me.rolname = current_user
 ORDER BY f.kind, f.schema, f.name, o.rolname
