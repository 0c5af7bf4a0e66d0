-- What of pglogical and of this suite stands in this database, as far as core catalogs tell.
SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pglogical') AS extension,
       COALESCE((SELECT obj_description(oid, 'pg_extension') LIKE 'pgl:%'
                   FROM pg_catalog.pg_extension WHERE extname = 'pglogical'), false) AS extension_ours,
       COALESCE((SELECT obj_description(oid, 'pg_extension') LIKE 'pgl:%'
                   FROM pg_catalog.pg_extension WHERE extname = 'pglogical_origin'), false) AS emulation_ours,
       EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'pglogical') AS extension_schema,
       (SELECT COALESCE(obj_description(oid, 'pg_namespace') LIKE 'pgl:%', false)
          FROM pg_catalog.pg_namespace WHERE nspname = 'pgl') AS schema_ours,
       pg_catalog.to_regclass('pgl.journal') IS NOT NULL AS has_journal
