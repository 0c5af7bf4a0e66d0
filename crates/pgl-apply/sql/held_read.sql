-- Statements of step $2 of migration $1 that are not done, in the order of the archive.
SELECT id, place, kind, object, sql, depends, bytes
  FROM pgl.held
 WHERE migration = $1 AND step = $2 AND done IS NULL
 ORDER BY place
