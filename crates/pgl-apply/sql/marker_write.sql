-- Writes marker $1 with a new token: one round trip, and fit for 9.4, which knows no ON CONFLICT.
WITH token AS (
    SELECT txid_current()::text || '-' || md5(random()::text || clock_timestamp()::text) AS value
), changed AS (
    UPDATE pgl.marker SET token = (SELECT value FROM token), at = clock_timestamp()
     WHERE name = $1
    RETURNING token
), made AS (
    INSERT INTO pgl.marker (name, token)
    SELECT $1, value FROM token
     WHERE NOT EXISTS (SELECT FROM changed)
    RETURNING token
)
SELECT token FROM changed UNION ALL SELECT token FROM made
