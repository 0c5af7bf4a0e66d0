-- The changes of transactions that committed after the slot was made, up to a position.
SELECT c.data
FROM pg_catalog.pg_logical_slot_peek_changes($1, $2::text::pg_catalog.pg_lsn, NULL,
    'include-xids', '0', 'skip-empty-xacts', '1') AS c
