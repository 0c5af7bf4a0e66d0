-- Encoding and locale of this database, 15 and 16.
SELECT pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collate, datctype::text AS ctype,
       datlocprovider::text AS provider, daticulocale::text AS locale
  FROM pg_database WHERE datname = current_database()
