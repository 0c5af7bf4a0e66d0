-- What the journal has about each object of step $2 of migration $1, oldest first.
SELECT detail FROM pgl.journal WHERE migration = $1 AND step = $2 AND object <> '' ORDER BY at
