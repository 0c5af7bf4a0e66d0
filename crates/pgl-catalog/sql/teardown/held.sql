-- Statements of migration $1's schema that have not run yet: each step that runs some, and how many.
SELECT json_build_array(step, count(*)) AS held
  FROM pgl.held
 WHERE migration = $1 AND done IS NULL
 GROUP BY step
 ORDER BY step
