-- The changes of the first transaction in slot $1 whose commit ends behind $2, as pglogical would
-- send the sets $3: at most $5 of them. Reads about $4 changes, all for null. Advances nothing.
WITH raw AS (
    SELECT row_number() OVER () AS n, p.lsn, p.xid::text AS xid, p.data,
           substr(p.data, 12, 1) AS action -- {"action":"X"...
      FROM pg_logical_slot_peek_changes($1::text::name, NULL, $4::int,
           'startup_params_format', '1', 'min_proto_version', '1', 'max_proto_version', '1',
           'proto_format', 'json', 'expected_encoding', 'UTF8',
           'pglogical.replication_set_names', $3::text) AS p(lsn, xid, data) -- "location" before 10
), ended AS (
    SELECT r.xid, r.lsn
      FROM raw r
     WHERE r.action = 'C'
       AND r.lsn > $2::text::pg_lsn
       AND EXISTS (SELECT FROM raw c WHERE c.xid = r.xid AND c.action NOT IN ('S', 'B', 'C'))
     ORDER BY r.lsn
     LIMIT 1
)
SELECT e.xid, e.lsn::text AS "end", count(*) OVER () AS changes, left(r.data, 4000) AS data
  FROM ended e
  JOIN raw r ON r.xid = e.xid AND r.action NOT IN ('S', 'B', 'C')
 ORDER BY r.n
 LIMIT $5::int
