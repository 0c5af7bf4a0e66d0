-- Every sequence of the database that belongs to the user. 9.4 to 9.6: a sequence keeps its own
-- definition, which states_pg94.sql reads together with its state.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS name,
       'bigint' AS data_type,
       c.relpersistence AS persistence,
       owner.column AS owned_by,
       owner.schema AS owner_schema,
       owner.table AS owner_table,
       false AS identity,
       rights.may_read,
       rights.may_set
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       SELECT tn.nspname AS schema, t.relname AS "table", tn.nspname || '.' || t.relname || '.' || a.attname AS "column"
         FROM pg_depend d
         JOIN pg_class t ON t.oid = d.refobjid
         JOIN pg_namespace tn ON tn.oid = t.relnamespace
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
          AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype = 'a'
        LIMIT 1) owner ON true
 CROSS JOIN LATERAL (
       SELECT has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT') AS may_read,
              has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'UPDATE') AS may_set
       OFFSET 0) rights
 WHERE c.relkind = 'S'
   AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl')
   AND NOT EXISTS (SELECT 1 FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
   -- Otherwise it was dropped since this statement began.
   AND rights.may_read IS NOT NULL AND rights.may_set IS NOT NULL
 ORDER BY n.nspname, c.relname;
