-- Databases of the cluster. 15 and later.
SELECT
    datname AS name,
    datistemplate AS template,
    datallowconn AS allow_connections,
    datconnlimit AS connection_limit,
    pg_catalog.pg_encoding_to_char(encoding) AS encoding,
    datcollate AS collate,
    datctype AS ctype,
    datlocprovider AS provider,
    -- 15 and 16 know those of ICU only.
    coalesce(pg_catalog.row_to_json(d) ->> 'datlocale', pg_catalog.row_to_json(d) ->> 'daticulocale') AS locale,
    datcollversion AS collation_version,
    CASE
        WHEN datname = current_database() THEN pg_catalog.pg_database_collation_actual_version(oid)
    END AS actual_version,
    age(datfrozenxid) AS xid_age,
    mxid_age(datminmxid) AS multixact_age
FROM pg_catalog.pg_database AS d
ORDER BY 1;
