-- What the journal of migration $1 notes that teardown takes back: roles granted the use of schema
-- pglogical, EXECUTE on its functions revoked from PUBLIC or granted to a role, and slots.
SELECT CASE step WHEN 'source.grants' THEN 'grant' WHEN 'target.grants' THEN 'grant'
                 WHEN 'source.execute' THEN 'execute' WHEN 'target.execute' THEN 'execute' ELSE 'slot' END AS kind,
       CASE WHEN object LIKE 'slot %' THEN substr(object, 6) ELSE object END AS name
  FROM pgl.journal
 WHERE migration = $1
   AND ((step IN ('source.grants', 'source.execute', 'target.grants', 'target.execute') AND object <> '') OR object LIKE 'slot %')
 ORDER BY 1, 2
