-- The plan that pgl-setup keeps for the migration $1.
SELECT detail AS plan FROM pgl.journal WHERE migration = $1::text AND step = 'guard' AND object = 'plan';
