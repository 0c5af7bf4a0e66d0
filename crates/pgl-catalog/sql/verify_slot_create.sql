-- A slot that ends with this session; 10 and later. Waits until all transactions that are writing now have ended.
SELECT s.lsn::text AS lsn
FROM pg_catalog.pg_create_logical_replication_slot($1, 'test_decoding', true) AS s
