-- Extensions whose files are there.
SELECT name, default_version
FROM pg_catalog.pg_available_extensions
ORDER BY 1;
