-- Extensions whose files are there.
SELECT
    e.name,
    e.default_version,
    coalesce(array_agg(v.version ORDER BY v.version) FILTER (WHERE v.version IS NOT NULL), '{}')
        AS versions
FROM pg_catalog.pg_available_extensions AS e
LEFT JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = e.name
GROUP BY e.name, e.default_version
ORDER BY 1;
