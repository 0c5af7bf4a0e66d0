-- Migrations that the journal tells of.
SELECT DISTINCT migration AS name FROM pgl.journal ORDER BY 1
