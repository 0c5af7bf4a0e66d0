-- Whether this database is read-only for clients by its own setting, as a cutover leaves it.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_db_role_setting s
      JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) c
     WHERE d.datname = current_database() AND s.setrole = 0 AND c = 'default_transaction_read_only=on') AS found
