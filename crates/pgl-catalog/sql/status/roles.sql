-- Roles of the cluster.
SELECT rolname::text AS name FROM pg_roles ORDER BY 1;
