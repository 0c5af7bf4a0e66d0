-- The database itself. Checksum failures are counted from 12 on.
SELECT pg_catalog.current_setting('data_checksums') = 'on' AS data_checksums,
       (pg_catalog.row_to_json(s) ->> 'checksum_failures')::int8 AS checksum_failures,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class
        WHERE relpersistence = 't' AND relkind = 'r') AS temporary_tables
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
WHERE d.datname = pg_catalog.current_database();
