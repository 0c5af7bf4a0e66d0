-- Indexes that are valid ($1 true), or those that queries do not use and that prove nothing; with $2 true only unique ones with rows.
SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (i.indisvalid AND i.indisready) = $1::bool
   AND (NOT $2::bool OR i.indisunique AND c.relkind = 'i')
   AND n.nspname NOT IN ('pg_toast', 'pg_catalog')
 ORDER BY 1
