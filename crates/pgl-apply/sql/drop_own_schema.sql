-- Drops the suite's own schema, its tables one by one and without CASCADE: a view of somebody's on
-- one of them stops this.
DO $$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = 'pgl' AND c.relkind = 'r'
    LOOP
        EXECUTE 'DROP TABLE ' || t;
    END LOOP;
    DROP SCHEMA IF EXISTS pgl;
END $$
