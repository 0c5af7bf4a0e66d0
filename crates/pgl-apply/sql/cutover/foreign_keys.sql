-- The foreign keys of the source: the label of each among the deferred statements, its definition as pg_dump writes it, and the
-- statement that creates it.
SELECT translate(format('FK CONSTRAINT %s.%s %s', n.nspname, c.relname, k.conname), E'\n\r', '  ') AS label,
       pg_get_constraintdef(k.oid) AS definition,
       format(E'ALTER TABLE %s%I.%I\n    ADD CONSTRAINT %I %s;\n',
              CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) AS sql
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f'
