-- Native subscriptions of this database. 10 and later.
SELECT s.subname AS name, s.subenabled AS enabled, s.oid::bigint AS oid
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = current_database()
ORDER BY 1;
