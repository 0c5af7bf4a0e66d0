-- The names of the roles with these OIDs ($1).
SELECT r.oid::bigint AS oid, r.rolname::text AS name
  FROM pg_catalog.pg_roles r
 WHERE r.oid::bigint = ANY ($1::bigint[])
