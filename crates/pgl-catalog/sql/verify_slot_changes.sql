-- The transactions that committed after the slot was made, up to a position, line by line. The position of a COMMIT line is
-- the end of the commit record.
SELECT c.lsn::text AS lsn, c.xid::text::bigint AS xid, c.data
FROM pg_catalog.pg_logical_slot_peek_changes($1, $2::text::pg_catalog.pg_lsn, NULL,
    'include-xids', '0', 'skip-empty-xacts', '1') AS c
