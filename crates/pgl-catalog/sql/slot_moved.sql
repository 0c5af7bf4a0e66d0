-- What pgl-control has recorded for the migration $1: that the slot or the origin was moved, and the tables that were compared or
-- copied since. No row where nothing was moved since all rows were copied.
SELECT m.detail AS what,
       ARRAY(SELECT t.object
               FROM pgl.journal t
              WHERE t.migration = m.migration AND t.step = 'control.table'
                AND (t.detail ->> 'state') IN ('added', 'copied', 'equal') AND t.at > m.at
              ORDER BY 1) AS again
  FROM pgl.journal m
 WHERE m.migration = $1::text AND m.step = 'control' AND m.object = 'moved'
   AND NOT EXISTS (SELECT 1
                     FROM pgl.journal c
                    WHERE c.migration = m.migration AND c.step = 'copy' AND c.object = ''
                      AND (c.detail ->> 'copied') = 'true' AND c.at > m.at);
