-- The token of the marker's row of this name, as this snapshot has it.
SELECT m.token FROM pgl.marker AS m WHERE m.name = $1
