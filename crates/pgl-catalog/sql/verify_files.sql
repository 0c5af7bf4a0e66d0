-- In which files tables are stored now: TRUNCATE and every rewrite give a table another one, and another table of the same
-- name has another oid.
SELECT n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid, c.relfilenode::bigint AS file
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS wanted (schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = wanted.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
