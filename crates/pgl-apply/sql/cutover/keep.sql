-- Roles that must still be able to connect: ourselves and who replicates.
SELECT current_user::text AS name
 UNION
SELECT usename::text FROM pg_catalog.pg_stat_replication WHERE usename IS NOT NULL
 ORDER BY 1
