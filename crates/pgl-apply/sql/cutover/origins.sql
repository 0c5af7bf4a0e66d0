-- Replication origins of the whole cluster but for the one named $1, and how many there can be in use. 9.5 and later; from 18 on
-- max_replication_slots limits them no more.
SELECT g.name AS setting,
       g.setting::bigint AS max,
       (SELECT count(*) FROM pg_catalog.pg_replication_origin o WHERE o.roname <> $1) AS others
  FROM pg_catalog.pg_settings g
 WHERE g.name IN ('max_active_replication_origins', 'max_replication_slots')
 ORDER BY g.name
 LIMIT 1
