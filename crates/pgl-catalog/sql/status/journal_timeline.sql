-- The timeline that the target wrote when its rows were copied, as pgl-setup keeps it for the migration $1.
SELECT (detail ->> 'timeline')::integer AS timeline
  FROM pgl.journal
 WHERE migration = $1::text AND step = 'guard' AND object = 'fingerprint' AND (detail ->> 'timeline') IS NOT NULL;
