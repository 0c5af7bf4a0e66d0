-- Whether there is a relation of this name, quoted as in SQL ($1). Before 9.6 to_regclass takes a cstring.
SELECT pg_catalog.to_regclass($1::text::cstring) IS NOT NULL AS found
