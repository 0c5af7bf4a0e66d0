-- Databases of the cluster. 9.5 to 14.
SELECT
    datname AS name,
    datistemplate AS template,
    datallowconn AS allow_connections,
    datconnlimit AS connection_limit,
    pg_catalog.pg_encoding_to_char(encoding) AS encoding,
    datcollate AS collate,
    datctype AS ctype,
    'c' AS provider,
    NULL AS locale,
    NULL AS collation_version,
    NULL AS actual_version,
    age(datfrozenxid) AS xid_age,
    mxid_age(datminmxid) AS multixact_age
FROM pg_catalog.pg_database
ORDER BY 1;
