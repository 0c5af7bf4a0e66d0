-- What the journal has about object $3 of step $2 of migration $1.
SELECT detail FROM pgl.journal WHERE migration = $1 AND step = $2 AND object = $3
