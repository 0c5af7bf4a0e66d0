-- Whether the journal has entries of migration $1.
SELECT EXISTS (SELECT FROM pgl.journal j WHERE j.migration = $1) AS found
