-- Encoding and locale of this database, up to 14.
SELECT pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collate, datctype::text AS ctype,
       'c' AS provider, NULL::text AS locale
  FROM pg_database WHERE datname = current_database()
