-- The one thing that pgl-verify writes: its row of the suite's own marker table, on the source.
INSERT INTO pgl.marker (name, token, at) VALUES ($1, $2, pg_catalog.clock_timestamp())
ON CONFLICT (name) DO UPDATE SET token = excluded.token, at = excluded.at
