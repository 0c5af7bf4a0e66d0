-- $1: a table, quoted. The triggers of users that fire for rows that this session writes as a replica (ENABLE REPLICA or
-- ALWAYS): they would run their owner's code with our rights, and may change the rows. With the statements that disable
-- each one and that give it its state back.
SELECT format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', c.oid::regclass, t.tgname) AS off,
       format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I', c.oid::regclass,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, t.tgname) AS back
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
 WHERE c.oid = $1::text::regclass
   AND NOT t.tgisinternal
   AND t.tgenabled IN ('A', 'R')
 ORDER BY t.tgname
