-- The bytes of the file $1 from $2, $3 of them at most.
SELECT pg_read_binary_file($1::text, $2::bigint, $3::bigint) AS bytes;
