-- Holds the target's row of marker $1: the apply worker waits when the next change of it arrives.
SELECT token FROM pgl.marker WHERE name = $1 FOR UPDATE
