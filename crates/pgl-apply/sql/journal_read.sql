-- Notes of step $2 of migration $1.
SELECT object, state, detail
  FROM pgl.journal
 WHERE migration = $1 AND step = $2
 ORDER BY object
