-- System objects whose privileges differ from those that initdb gave. 9.6 and later.
SELECT 'table ' || c.relname AS object
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_init_privs AS i
    ON i.classoid = 'pg_catalog.pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relacl IS DISTINCT FROM i.initprivs
UNION ALL
SELECT 'function ' || p.proname
FROM pg_catalog.pg_proc AS p
LEFT JOIN pg_catalog.pg_init_privs AS i
    ON i.classoid = 'pg_catalog.pg_proc'::regclass AND i.objoid = p.oid AND i.objsubid = 0
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proacl IS DISTINCT FROM i.initprivs
ORDER BY 1;
