-- Statements of migration $1.
SELECT id, kind, object FROM pgl.held WHERE migration = $1
