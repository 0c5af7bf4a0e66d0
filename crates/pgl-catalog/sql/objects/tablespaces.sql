-- Tablespaces, and how many relations of this database name each.
SELECT t.spcname AS name,
       pg_catalog.count(c.oid) AS relations
FROM pg_catalog.pg_tablespace t
LEFT JOIN pg_catalog.pg_class c ON c.reltablespace = t.oid AND c.relpersistence <> 't'
WHERE t.spcname <> 'pg_global'
GROUP BY t.spcname;
