-- Refuses a write while writes are blocked, and for good to a database that was the source of a cutover: also from
-- sessions that override the read-only setting.
CREATE OR REPLACE FUNCTION pgl.refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'pgl-cutover has blocked writes to database %', current_database()
          USING ERRCODE = 'read_only_sql_transaction', HINT = 'After the cutover, connect to the promoted target.';
END $$
;
-- Whoever owns it could let writes pass, and no tool trusts schema pgl any more.
DO $$
DECLARE
    owner text;
BEGIN
    SELECT r.rolname INTO owner
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
     WHERE n.nspname = 'pgl' AND p.proname = 'refuse_write' AND NOT r.rolsuper AND r.rolname <> current_user;
    IF FOUND THEN
        RAISE EXCEPTION 'function pgl.refuse_write() is owned by role %', quote_ident(owner)
              USING ERRCODE = 'invalid_object_definition',
                    HINT = 'An event trigger that is ENABLE ALWAYS may have changed its owner: ALTER EVENT TRIGGER name DISABLE for the time of the cutover.';
    END IF;
END $$
