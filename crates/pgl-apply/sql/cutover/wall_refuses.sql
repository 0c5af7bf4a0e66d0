-- Whether the triggers of the wall refuse writes: those of an attempt that was taken back let everything pass.
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = 'pgl' AND p.proname = 'refuse_write' AND p.prosrc LIKE '%RAISE EXCEPTION%') AS refuses
