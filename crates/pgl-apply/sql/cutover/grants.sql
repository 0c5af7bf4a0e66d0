-- Who may connect to this database.
SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END AS grantee,
       bool_or(a.is_grantable) AS grantable
  FROM pg_catalog.pg_database d
 CROSS JOIN LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) a
 WHERE d.datname = current_database()
   AND a.privilege_type = 'CONNECT'
 GROUP BY a.grantee
 ORDER BY 1
