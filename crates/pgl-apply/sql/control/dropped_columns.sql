-- How many columns of table $1.$2 were dropped.
SELECT count(*)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attisdropped
 WHERE n.nspname = $1 AND c.relname = $2
