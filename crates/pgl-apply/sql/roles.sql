-- The settings that the roles named in $1 have in every database.
SELECT r.rolname AS name, COALESCE(r.rolconfig, '{}') AS config
  FROM pg_catalog.pg_roles r
 WHERE r.rolname = ANY ($1)
