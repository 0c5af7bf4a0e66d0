-- $1: a table, quoted. What has to be set aside while its rows are copied again by a session that writes as a replica, with the statements
-- that do it and that give it back, in order. Triggers of users that fire for such rows (ENABLE REPLICA or ALWAYS): they would run their
-- owner's code with our rights, and may change the rows. Constraints that are NOT VALID: rows that are older than they are contradict them.
-- An inherited one can only be dropped where it is declared, which drops it from all that inherit it: those of them that are valid are
-- validated again. A NOT NULL constraint is inherited by the name of its column.
WITH RECURSIVE known AS (
    SELECT k.oid, k.conrelid, k.conname, k.contype, k.convalidated, k.conislocal, d.description,
           CASE k.contype WHEN 'c' THEN k.conname ELSE a.attname END AS key
      FROM pg_catalog.pg_constraint k
      LEFT JOIN pg_catalog.pg_attribute a ON k.contype = 'n' AND a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
      LEFT JOIN pg_catalog.pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_catalog.pg_constraint'::regclass AND d.objsubid = 0
     WHERE k.contype IN ('c', 'n')
), above AS (
    SELECT k.*, 0 AS level
      FROM known k
     WHERE k.conrelid = $1::text::regclass
       AND NOT k.convalidated
     UNION
    SELECT k.*, b.level + 1
      FROM above b
      JOIN pg_catalog.pg_inherits i ON i.inhrelid = b.conrelid
      JOIN known k ON k.conrelid = i.inhparent AND (k.contype, k.key) = (b.contype, b.key)
), below AS (
    SELECT b.oid, b.conrelid, b.conname, b.contype, b.key, b.convalidated, b.description
      FROM above b
     UNION
    SELECT k.oid, k.conrelid, k.conname, k.contype, k.key, k.convalidated, k.description
      FROM below b
      JOIN pg_catalog.pg_inherits i ON i.inhparent = b.conrelid
      JOIN known k ON k.conrelid = i.inhrelid AND (k.contype, k.key) = (b.contype, b.key)
), declared AS (
    SELECT b.oid, b.conrelid, b.conname, pg_catalog.max(b.level) AS level
      FROM above b
     WHERE b.conislocal
     GROUP BY 1, 2, 3
), all_of_them AS (
    SELECT 0 AS turn, 0 AS level, c.oid AS rel, t.tgname AS name,
           format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', c.oid::regclass, t.tgname) AS off,
           format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I', c.oid::regclass,
                  CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, t.tgname) AS back
      FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
     WHERE c.oid = $1::text::regclass
       AND NOT t.tgisinternal
       AND t.tgenabled IN ('A', 'R')
     UNION ALL
    SELECT 1, -level, conrelid, conname,
           format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_catalog.pg_get_constraintdef(oid))
      FROM declared
     UNION ALL
    SELECT 2, 0, conrelid, conname, NULL,
           pg_catalog.concat_ws('; ',
               CASE WHEN convalidated THEN format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) END,
               CASE WHEN description IS NOT NULL
                    THEN format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, conrelid::regclass, description) END)
      FROM below
     WHERE convalidated OR description IS NOT NULL
)
SELECT off, back
  FROM all_of_them
 ORDER BY turn, level, rel, name
