-- Event triggers do not fire in this transaction any more, where the role may say so.
SELECT pg_catalog.set_config(g.name, g.value, true)
  FROM (VALUES ('event_triggers', 'off'), ('session_replication_role', 'replica')) AS g(name, value)
 WHERE pg_catalog.has_parameter_privilege(g.name, 'SET');
