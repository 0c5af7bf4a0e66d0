-- How late the subscription $1 applies on purpose, in milliseconds.
SELECT COALESCE(max(extract(epoch FROM s.sub_apply_delay) * 1000), 0)::bigint AS delay_ms
  FROM pglogical.subscription s
 WHERE s.sub_name = $1
