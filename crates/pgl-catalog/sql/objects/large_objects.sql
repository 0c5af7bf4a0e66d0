-- Large objects: counted up to 10,000 only, there may be a hundred million.
SELECT (SELECT pg_catalog.count(*)
        FROM (SELECT 1 FROM pg_catalog.pg_largeobject_metadata LIMIT 10000) m) AS count,
       pg_catalog.pg_relation_size('pg_catalog.pg_largeobject') AS bytes;
