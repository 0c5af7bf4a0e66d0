-- Foreign servers. Their options may hold passwords and are not read.
SELECT s.srvname AS name,
       w.fdwname AS wrapper,
       e.extname AS extension
FROM pg_catalog.pg_foreign_server s
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
LEFT JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_catalog.pg_foreign_server'::regclass AND d.objid = s.oid AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid;
