-- Drops the suite's own schema, its tables one by one and without CASCADE: a view of somebody's on
-- one of them stops this. A node that stays for others gives up the tables first.
DO $$
DECLARE
    t regclass;
    member name;
BEGIN
    FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = 'pgl' AND c.relkind = 'r'
    LOOP
        IF to_regclass('pglogical.replication_set_table') IS NOT NULL THEN
            FOR member IN EXECUTE 'SELECT s.set_name FROM pglogical.replication_set_table m
                                     JOIN pglogical.replication_set s ON s.set_id = m.set_id
                                    WHERE m.set_reloid = $1' USING t
            LOOP
                PERFORM pglogical.replication_set_remove_table(set_name := member, relation := t);
            END LOOP;
        END IF;
        EXECUTE 'DROP TABLE ' || t;
    END LOOP;
    DROP SCHEMA IF EXISTS pgl;
END $$
