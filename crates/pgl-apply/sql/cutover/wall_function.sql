-- Refuses a write while writes are blocked, and for good to a database that was the source of a cutover: also from
-- sessions that override the read-only setting.
CREATE OR REPLACE FUNCTION pgl.refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'pgl-cutover has blocked writes to database %', current_database()
          USING ERRCODE = 'read_only_sql_transaction', HINT = 'After the cutover, connect to the promoted target.';
END $$
