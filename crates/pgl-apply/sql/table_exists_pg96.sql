-- Whether there is a relation of this name, quoted as in SQL ($1).
SELECT pg_catalog.to_regclass($1::text) IS NOT NULL AS found
