-- The tables in the replication sets $1 and their sizes with TOAST, in bytes.
SELECT t.nspname::text AS schema, t.relname::text AS name, pg_table_size(t.relid) AS bytes
  FROM (SELECT DISTINCT relid, nspname, relname FROM pglogical.tables WHERE set_name = ANY ($1::text[])) t
 ORDER BY 1, 2;
