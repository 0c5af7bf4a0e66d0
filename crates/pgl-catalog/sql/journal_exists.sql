-- Whether this database has a journal. Needs no right on schema pgl.
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'pgl' AND c.relname = 'journal') AS found
