-- A statement (psql: \gexec) for each of the columns that the sequences $1 (object ids) feed, as owner or through a
-- default: the value furthest on in it; $2 says of each sequence whether it runs upwards. Where a column cannot be
-- compared, "problem" says why and the value is null: rows that row security hides, rows of another server, values of a
-- type in which numbers have no order. The type of a domain is the one that it is made from.
SELECT format('SELECT %s::bigint AS oid, %L::text AS "column", %L::text AS problem, %s AS value',
              fed.oid, fed.column, fed.problem,
              CASE WHEN fed.problem IS NOT NULL
                   THEN 'NULL::text'
                   WHEN fed.base IN ('float4'::regtype, 'float8'::regtype)
                   THEN format('(SELECT CASE WHEN m BETWEEN -9e18 AND 9e18 THEN trunc(m)::bigint::text ELSE m::text END'
                               || ' FROM (SELECT pg_catalog.%s(%I)::float8 AS m FROM %I.%I) x)',
                               fed.aggregate, fed.attname, fed.nspname, fed.relname)
                   ELSE format('(SELECT trunc(pg_catalog.%s(%I)::numeric)::text FROM %I.%I)',
                               fed.aggregate, fed.attname, fed.nspname, fed.relname)
              END) AS statement
  FROM (SELECT w.oid, n.nspname, t.relname, a.attname, base.base,
               CASE WHEN w.upwards THEN 'max' ELSE 'min' END AS aggregate,
               n.nspname || '.' || t.relname || '.' || a.attname AS "column",
               CASE WHEN t.relkind NOT IN ('r', 'p')
                    THEN 'belongs to a foreign table or a view, which is not read'
                    WHEN base.base NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype,
                                           'float4'::regtype, 'float8'::regtype)
                    THEN format('is of type %s, whose values are not compared', format_type(a.atttypid, a.atttypmod))
                    WHEN NOT (has_schema_privilege(n.oid, 'USAGE')
                              AND has_column_privilege(t.oid, a.attnum, 'SELECT')
                              AND (coalesce(row_to_json(t) ->> 'relrowsecurity', 'false') = 'false'
                                   OR (SELECT rolsuper OR coalesce((row_to_json(r) ->> 'rolbypassrls')::boolean, false)
                                         FROM pg_roles r WHERE rolname = current_user)))
                    THEN 'may not be read in full by this role'
               END AS problem
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
          JOIN pg_class t ON t.oid = used.relation
          JOIN pg_namespace n ON n.oid = t.relnamespace
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = used.number AND NOT a.attisdropped
          JOIN LATERAL (
               WITH RECURSIVE domain(type, base) AS (
                    SELECT y.oid, y.typbasetype FROM pg_type y WHERE y.oid = a.atttypid
                    UNION ALL
                    SELECT y.oid, y.typbasetype FROM domain JOIN pg_type y ON y.oid = domain.base)
               SELECT type AS base FROM domain WHERE domain.base = 0) base ON true
        OFFSET 0) fed;
