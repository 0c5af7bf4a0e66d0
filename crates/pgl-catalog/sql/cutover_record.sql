-- What the journal records about migration $1: the pair of databases, the last attempt to move clients away from this
-- database, and the last promotion of this database.
SELECT (SELECT j.detail FROM pgl.journal j
         WHERE j.migration = $1 AND j.step = 'pair' AND j.object = '') AS pair,
       (SELECT j.detail FROM pgl.journal j
         WHERE j.migration = $1 AND j.step = 'cutover' AND j.object = '') AS attempt,
       (SELECT to_char(j.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM pgl.journal j
         WHERE j.migration = $1 AND j.step = 'cutover' AND j.object = '') AS attempt_at,
       (SELECT json_build_object(
                   'at', to_char(j.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                   'token', j.detail -> 'token', 'reverse', j.detail -> 'reverse')
          FROM pgl.journal j
         WHERE j.migration = $1 AND j.step = 'cutover' AND j.object = 'promoted') AS promotion
