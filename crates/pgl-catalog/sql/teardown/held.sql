-- Statements of migration $1's schema that have not run yet, by the step that runs them.
SELECT step AS name, count(*) AS members
  FROM pgl.held
 WHERE migration = $1 AND done IS NULL
 GROUP BY step
 ORDER BY step
