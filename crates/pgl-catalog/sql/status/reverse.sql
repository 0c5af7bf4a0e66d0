-- The slot of the subscription $1 of this database on the other server.
SELECT sub_slot_name::text AS name FROM pglogical.subscription WHERE sub_name = $1::text;
