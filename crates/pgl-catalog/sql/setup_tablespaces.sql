-- Tablespaces of the server.
SELECT spcname FROM pg_catalog.pg_tablespace ORDER BY spcname
