-- Refuses a write to a home that was left: also from sessions that override the read-only setting.
CREATE OR REPLACE FUNCTION pgl.refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'database % was left at a cutover and takes no writes', current_database()
          USING ERRCODE = 'read_only_sql_transaction', HINT = 'Connect to its new home.';
END $$
