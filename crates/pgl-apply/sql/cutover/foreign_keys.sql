-- The foreign keys of this database: the label of each among the deferred statements, which others may share, how a statement names it, its
-- definition as pg_dump writes it, and the statements that create it and its comment.
SELECT format('FK CONSTRAINT %s.%s %s', n.nspname, c.relname, k.conname) AS label,
       format('%I.%I', n.nspname, c.relname) AS table, format('%I', k.conname) AS name,
       pg_get_constraintdef(k.oid) AS definition,
       format(E'ALTER TABLE %s%I.%I\n    ADD CONSTRAINT %I %s;\n',
              CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) AS sql,
       CASE WHEN d.description IS NOT NULL
            THEN format('COMMENT ON CONSTRAINT %I ON %I.%I IS %L', k.conname, n.nspname, c.relname, d.description) END AS comment
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass AND d.objsubid = 0
 WHERE k.contype = 'f'
