-- Statements of migration $1.
SELECT id, kind, object, sql FROM pgl.held WHERE migration = $1
