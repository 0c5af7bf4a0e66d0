-- What the journal of migration $1 notes that teardown takes back: roles granted the use of schema
-- pglogical, EXECUTE on its functions revoked from PUBLIC or granted to a role, and slots.
SELECT coalesce(k.kind, 'slot') AS kind,
       CASE WHEN k.kind IS NULL THEN substr(j.object, 6) ELSE j.object END AS name
  FROM pgl.journal j
  LEFT JOIN (VALUES ('source.grants', 'grant'), ('target.grants', 'grant'),
                    ('source.execute', 'execute'), ('target.execute', 'execute')) AS k(step, kind) ON k.step = j.step
 WHERE j.migration = $1 AND j.object LIKE CASE WHEN k.kind IS NULL THEN 'slot %' ELSE '_%' END
 ORDER BY 1, 2
