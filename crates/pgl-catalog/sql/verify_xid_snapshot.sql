-- The snapshot of the transaction that is open: xmin:xmax:xip,xip.
SELECT pg_catalog.txid_current_snapshot()::text AS snapshot
