-- What stands in pglogical's replication sets; nothing where pglogical is not installed. Its tables
-- cannot be named in a statement that has to run without them, hence the detour through XML, and in
-- hexadecimal digits, because a name may hold what XML cannot.
SELECT pg_catalog.convert_from(
           pg_catalog.decode((pg_catalog.xpath('/row/set_name/text()', x.one))[1]::text, 'hex'), 'UTF8')
           AS set_name,
       (pg_catalog.xpath('/row/relation/text()', x.one))[1]::text::int8 AS relation
FROM (SELECT 1
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'pglogical'
        AND c.relname IN ('replication_set', 'replication_set_table', 'replication_set_seq')
      HAVING pg_catalog.count(*) = 3) there
CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.xpath('/table/row', pg_catalog.query_to_xml(
    'SELECT encode(convert_to(s.set_name::text, ''UTF8''), ''hex'') AS set_name,
            m.relation
     FROM (SELECT set_id, set_reloid::oid::int8 AS relation FROM pglogical.replication_set_table
           UNION ALL
           SELECT set_id, set_seqoid::oid::int8 FROM pglogical.replication_set_seq) m
     JOIN pglogical.replication_set s ON s.set_id = m.set_id
     ORDER BY 2, 1',
    false, false, ''))) AS x (one);
