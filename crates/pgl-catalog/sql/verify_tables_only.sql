-- From here on this session reads tables and no views or foreign tables of users, where the server knows how: a table
-- that its owner makes a view while it is being compared must not run what the view calls.
SELECT pg_catalog.set_config(s.name, 'view, foreign-table', false) AS value
FROM pg_catalog.pg_settings AS s
WHERE s.name = 'restrict_nonsystem_relation_kind'
