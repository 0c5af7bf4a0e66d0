-- Roles whose password is kept as an MD5 hash. Only superusers may look; no hash is read.
SELECT rolname AS name
FROM pg_catalog.pg_authid
WHERE rolcanlogin AND rolpassword LIKE 'md5%'
ORDER BY 1;
