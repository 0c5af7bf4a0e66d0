-- Makes $1 the kinds of relations that this session does not read, where the server knows how; gives the kinds of before.
SELECT s.setting, pg_catalog.set_config(s.name, $1::pg_catalog.text, false)
FROM pg_catalog.pg_settings AS s
WHERE s.name OPERATOR(pg_catalog.=) 'restrict_nonsystem_relation_kind'
