-- Which database of which cluster this is. 9.6 and later.
SELECT current_database() AS database,
       (SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database()) AS oid,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       current_setting('server_version_num')::integer AS server_version;
