-- Encoding and locale of this database, from 17 on.
SELECT pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collate, datctype::text AS ctype,
       datlocprovider::text AS provider, datlocale::text AS locale
  FROM pg_database WHERE datname = current_database()
