-- Publications of this database. 10 and later.
SELECT pubname AS name, puballtables AS all_tables
FROM pg_catalog.pg_publication
ORDER BY 1;
