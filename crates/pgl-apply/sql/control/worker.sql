-- Subscription $1 on the target: whether it is enabled, its slot, its apply worker, how many
-- processes work for it.
SELECT s.sub_enabled AS enabled,
       s.sub_slot_name::text AS slot,
       (SELECT min(a.pid) FROM pg_stat_activity a
         WHERE a.application_name = format('pglogical apply %s:%s', d.oid, s.sub_id)) AS worker,
       (SELECT count(*) FROM pg_stat_activity a
         WHERE a.application_name LIKE 'pglogical %'
           AND right(a.application_name, length(w.ending)) = w.ending) AS processes
  FROM pglogical.subscription s
  JOIN pg_database d ON d.datname = current_database()
 CROSS JOIN LATERAL (SELECT format(' %s:%s', d.oid, s.sub_id) AS ending) w
 WHERE s.sub_name = $1
