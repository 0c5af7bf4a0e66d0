-- What the journal of migration $1 notes that teardown takes back: roles granted the use of schema
-- pglogical, and slots.
SELECT CASE WHEN step = 'source.grants' THEN 'grant' ELSE 'slot' END AS kind,
       CASE WHEN step = 'source.grants' THEN object ELSE substr(object, 6) END AS name
  FROM pgl.journal
 WHERE migration = $1
   AND ((step = 'source.grants' AND object <> '') OR object LIKE 'slot %')
 ORDER BY 1, 2
