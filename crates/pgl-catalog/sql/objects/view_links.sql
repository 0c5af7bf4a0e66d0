-- Views and materialised views of the user that read other ones. Objects of the server itself have
-- OIDs below 16384.
SELECT DISTINCT r.ev_class::int8 AS view,
       d.refobjid::int8 AS needs
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relkind IN ('v', 'm')
WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND v.oid >= 16384
  AND t.oid >= 16384
  AND v.oid <> t.oid;
