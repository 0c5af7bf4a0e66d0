-- What roles and this database override of the settings that shape the text of values, and of search_path.
SELECT r.rolname::text AS role,
       lower(split_part(one, '=', 1)) AS name,
       substring(one FROM position('=' IN one) + 1) AS value
  FROM pg_db_role_setting s
  LEFT JOIN pg_roles r ON r.oid = s.setrole
  CROSS JOIN LATERAL unnest(s.setconfig) AS one
 WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND lower(split_part(one, '=', 1)) IN ('extra_float_digits', 'datestyle', 'intervalstyle', 'search_path')
   AND (s.setrole = 0 OR r.rolname IS NOT NULL);
