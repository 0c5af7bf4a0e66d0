-- Functions of replication origins that are needed and that this role may not call. Before 14 only a
-- superuser may, whatever was granted.
SELECT f.name
  FROM unnest(ARRAY['pg_show_replication_origin_status()',
                    'pg_replication_origin_progress(text,boolean)',
                    'pg_replication_origin_advance(text,pg_lsn)']) WITH ORDINALITY AS f(name, place)
 WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
   AND (current_setting('server_version_num')::int < 140000 OR NOT has_function_privilege(f.name, 'EXECUTE'))
 ORDER BY f.place
