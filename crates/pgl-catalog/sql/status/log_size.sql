-- Size of the file $1; null where it does not exist.
SELECT (pg_stat_file($1::text, true)).size AS size;
