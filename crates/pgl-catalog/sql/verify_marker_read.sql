-- Whether this snapshot has seen the marker.
SELECT count(*) AS seen FROM pgl.marker AS m WHERE m.name = $1 AND m.token = $2
