-- Triggers that pgl-setup disabled in migration $1, as statements that give them back.
SELECT j.object,
       CASE WHEN (j.detail->>'table') IS NULL
            THEN format('ALTER EVENT TRIGGER %I ENABLE %s', j.detail->>'name', w.word)
            ELSE format('ALTER TABLE %I.%I ENABLE %s TRIGGER %I',
                        j.detail->>'schema', j.detail->>'table', w.word, j.detail->>'name')
       END AS sql
  FROM pgl.journal j
 CROSS JOIN LATERAL (SELECT CASE j.detail->>'enabled' WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END) AS w(word)
 WHERE j.migration = $1
   AND j.step = 'target.triggers'
 ORDER BY 1
