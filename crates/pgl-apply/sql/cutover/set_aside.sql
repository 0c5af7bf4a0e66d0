-- $1: a table, quoted. What has to be set aside while its rows are copied again by a session that writes as a replica, with the statements
-- that do it and that give it back. Triggers of users that fire for such rows (ENABLE REPLICA or ALWAYS): they would run their owner's
-- code with our rights, and may change the rows. Constraints that are NOT VALID: rows that are older than they are contradict them.
SELECT format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', c.oid::regclass, t.tgname) AS off,
       format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I', c.oid::regclass,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, t.tgname) AS back
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
 WHERE c.oid = $1::text::regclass
   AND NOT t.tgisinternal
   AND t.tgenabled IN ('A', 'R')
 UNION ALL
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.oid::regclass, k.conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.oid::regclass, k.conname, pg_catalog.pg_get_constraintdef(k.oid))
       || CASE WHEN d.description IS NULL THEN ''
               ELSE format('; COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, c.oid::regclass, d.description) END
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  LEFT JOIN pg_catalog.pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_catalog.pg_constraint'::regclass AND d.objsubid = 0
 WHERE c.oid = $1::text::regclass
   AND k.contype IN ('c', 'n')
   AND NOT k.convalidated
   AND k.conislocal AND k.coninhcount = 0
 ORDER BY 1
