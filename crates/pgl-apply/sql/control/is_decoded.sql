-- Whether a slot of this database decodes what is written here, pglogical's or another.
SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database())
