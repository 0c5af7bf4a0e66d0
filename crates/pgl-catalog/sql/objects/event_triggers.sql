-- Event triggers.
SELECT g.evtname AS name,
       g.evtevent AS event,
       g.evtenabled AS enabled,
       e.extname AS extension
FROM pg_catalog.pg_event_trigger g
LEFT JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_catalog.pg_event_trigger'::regclass AND d.objid = g.oid AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid;
