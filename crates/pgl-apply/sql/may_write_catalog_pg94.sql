-- Whether this role may set a subscription's state and position itself: before 14 the functions
-- look at nothing but SUPERUSER.
SELECT rolsuper AS may FROM pg_roles WHERE rolname = current_user
