-- What the replication sets of this database hold: how many rows pglogical has of them, and a sum over the transactions that wrote
-- them.
SELECT 'replication_set' AS catalog, count(*) AS rows, coalesce(sum(xmin::text::bigint), 0)::text AS mark
  FROM pglogical.replication_set
UNION ALL
SELECT 'replication_set_table', count(*), coalesce(sum(xmin::text::bigint), 0)::text
  FROM pglogical.replication_set_table
