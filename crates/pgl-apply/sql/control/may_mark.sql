-- Whether this role may give what it writes a replication origin; servers before 9.5 know none. Before 14 only a superuser may.
SELECT COALESCE(
           (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
           OR current_setting('server_version_num')::int < 90500
           OR (current_setting('server_version_num')::int >= 140000
               AND (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE'))
                      FROM pg_proc p
                     WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'pg_catalog')
                       AND p.proname IN ('pg_replication_origin_oid', 'pg_replication_origin_create', 'pg_replication_origin_session_setup',
                                         'pg_replication_origin_session_reset', 'pg_replication_origin_drop'))), false)
