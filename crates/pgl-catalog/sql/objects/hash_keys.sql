-- Tables that are partitioned by the hash of an enum, or of what holds one, from 11 on: the server hashes the OID of the
-- label, which is another one in another database.
WITH RECURSIVE part (relation, type) AS (
    SELECT p.partrelid, a.atttypid
    FROM pg_catalog.pg_partitioned_table AS p
    CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::int2[]) AS k (attnum)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = k.attnum
    WHERE p.partstrat = 'h'
    UNION
    SELECT part.relation, inner_type.oid
    FROM part
    JOIN pg_catalog.pg_type AS t ON t.oid = part.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typbasetype <> 0
        UNION ALL
        SELECT e.oid FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS inner_type (oid)
)
SELECT DISTINCT
    'hash_of_enum' AS kind,
    pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
    pg_catalog.format_type(t.oid, NULL) AS detail
FROM part
JOIN pg_catalog.pg_type AS t ON t.oid = part.type AND t.typtype = 'e'
JOIN pg_catalog.pg_class AS c ON c.oid = part.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
