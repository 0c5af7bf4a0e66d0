-- Roles that log in and have a password. Only superusers may look; no password is read.
SELECT rolname AS role, rolpassword LIKE 'md5%' AS md5
FROM pg_catalog.pg_authid
WHERE rolcanlogin AND rolpassword IS NOT NULL
ORDER BY 1;
