-- pglogical's subscriptions of the target: through which slot each is fed.
SELECT s.sub_name AS name, s.sub_slot_name AS slot, s.sub_enabled AS enabled
FROM pglogical.subscription AS s
ORDER BY s.sub_name
