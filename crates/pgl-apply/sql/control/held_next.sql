-- A number for the next statement that migration $1 holds back.
SELECT COALESCE(max(GREATEST(id, place)), 0) + 1 AS id FROM pgl.held WHERE migration = $1
