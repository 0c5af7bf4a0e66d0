-- Privileges on settings that somebody has been given (GRANT SET ON PARAMETER); a grantee that is null is PUBLIC. 15 and later.
SELECT
    p.parname AS parameter,
    r.rolname AS grantee,
    a.privilege_type AS privilege,
    pg_catalog.bool_or(a.is_grantable) AS grantable
FROM pg_catalog.pg_parameter_acl AS p
CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) AS a
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
-- The first superuser has them all, and is listed as the one who gives.
WHERE a.grantee <> a.grantor
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;
