-- Which database this is, without the cluster's identifier: 9.4 and 9.5, and roles that may not
-- read the control file.
SELECT current_database() AS database,
       (SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database()) AS oid,
       NULL::text AS system_identifier,
       current_setting('server_version_num')::integer AS server_version;
