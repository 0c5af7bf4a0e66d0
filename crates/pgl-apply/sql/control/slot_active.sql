-- Whether somebody reads slot $1; no row when there is no such slot.
SELECT active FROM pg_replication_slots WHERE slot_name = $1
