-- Ordinary event triggers do not fire in this transaction any more, where the role may say so.
SELECT pg_catalog.set_config('session_replication_role', 'replica', true)
 WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user);
