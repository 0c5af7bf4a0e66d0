-- The state of the subscription $1 as pglogical reports it, from its list of running workers.
SELECT status::text AS name FROM pglogical.show_subscription_status($1::text::name);
