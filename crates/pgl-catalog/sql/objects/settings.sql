-- Settings of this database and of roles in it. The value of a parameter with a dot in its name is
-- left out: applications keep secrets in such parameters.
SELECT r.rolname AS role,
       pg_catalog.split_part(o.line, '=', 1) AS name,
       CASE WHEN pg_catalog.strpos(pg_catalog.split_part(o.line, '=', 1), '.') = 0
            THEN pg_catalog.substr(o.line, pg_catalog.strpos(o.line, '=') + 1) END AS value
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase AND b.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS o (line)
ORDER BY 1 NULLS FIRST, 2;
