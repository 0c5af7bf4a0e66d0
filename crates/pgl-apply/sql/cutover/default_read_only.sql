-- default_transaction_read_only as the server's configuration has it, as far as a session can see it. $1: text[] of roles.
--
-- reset_val is what a new session of this role gets: where a setting of the role or the database hides the configuration,
-- it is null. may_read_files says whether the configuration files can be read instead (9.5 and above). logins are those of $1 that may log in.
SELECT CASE WHEN NOT hidden.found THEN g.reset_val = 'on' END AS server,
       coalesce(has_table_privilege(to_regclass('pg_catalog.pg_file_settings'), 'SELECT'), false)
           AND coalesce(has_function_privilege(to_regprocedure('pg_catalog.pg_show_all_file_settings()'), 'EXECUTE'), false)
           AS may_read_files,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
              WHERE r.rolcanlogin AND r.rolname::text = ANY ($1::text[])) AS logins
  FROM pg_catalog.pg_settings g,
       LATERAL (
           SELECT EXISTS (
               SELECT FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS c(entry)
                WHERE split_part(c.entry, '=', 1) = 'default_transaction_read_only'
                  AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
                  AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
           ) AS found
       ) AS hidden
 WHERE g.name = 'default_transaction_read_only'
