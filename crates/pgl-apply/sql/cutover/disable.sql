-- Stops subscription $1 at once.
SELECT pglogical.alter_subscription_disable($1::text::name, true)
