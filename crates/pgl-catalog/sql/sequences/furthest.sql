-- The value furthest on in the columns that the sequences $1 (object ids) feed, as owner or through
-- a default; $2 says of each whether it runs upwards. Columns of other types than numbers are no
-- business of a sequence. Row security would hide rows, so it counts as unreadable.
SELECT fed.oid,
       fed.column,
       fed.readable,
       CASE WHEN fed.readable THEN
            substring(query_to_xml(format('SELECT trunc(%s(%I)::numeric)::text AS v FROM %I.%I',
                                          CASE WHEN fed.upwards THEN 'max' ELSE 'min' END,
                                          fed.attname, fed.nspname, fed.relname),
                                   true, false, '')::text
                      FROM '<v>(-?[0-9]+)</v>')
       END AS value
  FROM (SELECT w.oid, w.upwards, n.nspname, t.relname, a.attname,
               n.nspname || '.' || t.relname || '.' || a.attname AS "column",
               has_schema_privilege(n.oid, 'USAGE')
                   AND has_column_privilege(t.oid, a.attnum, 'SELECT')
                   AND (coalesce(row_to_json(t) ->> 'relrowsecurity', 'false') = 'false'
                        OR (SELECT rolsuper OR coalesce((row_to_json(r) ->> 'rolbypassrls')::boolean, false)
                              FROM pg_roles r WHERE rolname = current_user)) AS readable
          FROM unnest($1::bigint[], $2::boolean[]) AS w(oid, upwards)
          JOIN LATERAL (
               SELECT d.refobjid AS relation, d.refobjsubid AS number
                 FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = w.oid::oid AND d.objsubid = 0
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
                  AND d.deptype IN ('a', 'i')
               UNION
               SELECT f.adrelid, f.adnum::integer
                 FROM pg_depend d
                 JOIN pg_attrdef f ON f.oid = d.objid
                WHERE d.classid = 'pg_attrdef'::regclass
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = w.oid::oid) used ON true
          JOIN pg_class t ON t.oid = used.relation AND t.relkind IN ('r', 'p')
          JOIN pg_namespace n ON n.oid = t.relnamespace
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = used.number AND NOT a.attisdropped
         WHERE a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
        OFFSET 0) fed;
