-- What the journal of migration $1 notes that teardown takes back: roles granted the use of schema
-- pglogical, EXECUTE on its functions revoked from PUBLIC or granted to a role, and slots.
SELECT CASE step WHEN 'source.grants' THEN 'grant' WHEN 'source.execute' THEN 'execute' ELSE 'slot' END AS kind,
       CASE WHEN step IN ('source.grants', 'source.execute') THEN object ELSE substr(object, 6) END AS name
  FROM pgl.journal
 WHERE migration = $1
   AND ((step IN ('source.grants', 'source.execute') AND object <> '') OR object LIKE 'slot %')
 ORDER BY 1, 2
