-- Settings by name, as a new session gets them. $1: text[] of names.
-- A name that only superusers may see is missing from the view; the one that matters is told apart
-- from a setting that does not exist. The session's search_path is anybody's: every operator has its schema.
SELECT
    name,
    reset_val AS value,
    unit,
    context,
    -- 9.5 and later.
    (pg_catalog.row_to_json(s) OPERATOR(pg_catalog.->>) 'pending_restart'::pg_catalog.text)::pg_catalog.bool AS pending_restart
FROM pg_catalog.pg_settings AS s
WHERE name OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
UNION ALL
SELECT 'shared_preload_libraries', NULL, NULL, 'postmaster', NULL
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'shared_preload_libraries'
)
ORDER BY 1;
