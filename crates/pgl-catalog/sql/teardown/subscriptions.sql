-- Subscriptions of this database.
SELECT sub_name AS name, sub_slot_name AS slot, sub_enabled AS enabled
  FROM pglogical.subscription ORDER BY 1
