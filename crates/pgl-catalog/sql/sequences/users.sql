-- The columns that take their values from sequences, through a default or as identity: one row for each column and sequence. Both
-- know the sequence by its OID, whatever it is called.
SELECT json_build_object('schema', tn.nspname, 'name', t.relname) AS "table",
       a.attname AS "column",
       json_build_object('schema', sn.nspname, 'name', s.relname) AS sequence
  FROM (SELECT f.adrelid AS relation, f.adnum::integer AS number, d.refobjid AS sequence
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
         WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
         UNION
        SELECT d.refobjid, d.refobjsubid, d.objid
          FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
           AND d.refobjsubid > 0 AND d.deptype = 'i') used
  JOIN pg_catalog.pg_class s ON s.oid = used.sequence AND s.relkind = 'S' AND s.relpersistence <> 't'
  JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
  JOIN pg_catalog.pg_class t ON t.oid = used.relation
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = used.number AND NOT a.attisdropped
