-- The next transaction that will begin, as 32 bits: what it or a later one writes came after this statement.
SELECT (pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) % 4294967296)::text AS horizon
