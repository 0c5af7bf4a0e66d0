-- All schemas.
SELECT n.nspname::text FROM pg_catalog.pg_namespace AS n
