-- What the journal has of the copy of the migration $1, and the step journalled last.
SELECT (SELECT step FROM pgl.journal WHERE migration = $1::text ORDER BY at DESC LIMIT 1) AS step,
       ARRAY(SELECT detail ->> 'table'
               FROM pgl.journal
              WHERE migration = $1::text AND step = 'copy' AND object <> ''
              ORDER BY 1) AS copied;
