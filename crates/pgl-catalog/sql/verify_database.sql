-- The database's number and encoding, and whether the server is a standby.
SELECT
    d.oid::int8 AS oid,
    pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    pg_catalog.current_setting('integer_datetimes') AS integer_datetimes
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
