-- A temporary copy of slot $1 with name $2, to be looked into while the slot itself is in use.
SELECT slot_name::text FROM pg_copy_logical_replication_slot($1::text::name, $2::text::name, true)
