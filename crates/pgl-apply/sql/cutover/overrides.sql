-- Settings of default_transaction_read_only for this database, for roles and for all roles.
SELECT r.rolname::text AS role,
       r.oid::bigint AS oid,
       s.setdatabase <> 0 AS here,
       split_part(c.entry, '=', 2) AS value
  FROM pg_catalog.pg_db_role_setting s
 CROSS JOIN LATERAL unnest(s.setconfig) AS c(entry)
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 WHERE split_part(c.entry, '=', 1) = 'default_transaction_read_only'
   AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
 ORDER BY 1, 3
