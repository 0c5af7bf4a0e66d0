-- Ordinary event triggers do not fire in this transaction any more, where the role may say so.
SELECT pg_catalog.set_config('session_replication_role', 'replica', true)
 WHERE pg_catalog.has_parameter_privilege('session_replication_role', 'SET');
