-- As base.sql, for 9.4 and 9.5, where to_regclass takes a cstring.
SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pglogical') AS extension,
       COALESCE((SELECT obj_description(oid, 'pg_extension') LIKE 'pgl:%'
                   FROM pg_catalog.pg_extension WHERE extname = 'pglogical'), false) AS extension_ours,
       COALESCE((SELECT obj_description(oid, 'pg_extension') LIKE 'pgl:%'
                   FROM pg_catalog.pg_extension WHERE extname = 'pglogical_origin'), false) AS emulation_ours,
       EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'pglogical') AS extension_schema,
       (SELECT COALESCE(obj_description(oid, 'pg_namespace') LIKE 'pgl:%', false)
          FROM pg_catalog.pg_namespace WHERE nspname = 'pgl') AS schema_ours,
       pg_catalog.to_regclass('pgl.journal'::cstring) IS NOT NULL AS has_journal
