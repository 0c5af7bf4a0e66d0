-- What the journal of migration $1 notes that teardown takes back: roles granted the use of schema
-- pglogical, EXECUTE on its functions revoked from PUBLIC or granted to a role, and slots.
SELECT k.kind, j.object AS name
  FROM pgl.journal j
  JOIN (VALUES ('source.grants', 'grant'), ('target.grants', 'grant'), ('source.slot', 'slot'),
               ('source.execute', 'execute'), ('target.execute', 'execute')) AS k(step, kind) ON k.step = j.step
 WHERE j.migration = $1
 ORDER BY 1, 2
