-- Which of some functions, given as two arrays of schemas and names, are not IMMUTABLE.
SELECT DISTINCT
    n.nspname AS schema,
    p.proname AS name
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS s (schema, at) ON s.schema = n.nspname
JOIN pg_catalog.unnest($2::pg_catalog.text[]) WITH ORDINALITY AS f (name, at) ON f.name = p.proname AND f.at = s.at
WHERE p.provolatile <> 'i'
ORDER BY 1, 2
