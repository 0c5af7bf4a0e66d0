-- How pglogical decides between a row that somebody else has written here and a change of the source, where the change may lose or
-- stop: without commit time stamps it does not see who has written a row.
SELECT s.setting AS how
FROM pg_catalog.pg_settings AS s
JOIN pg_catalog.pg_settings AS t ON t.name = 'track_commit_timestamp' AND t.setting = 'on'
WHERE s.name = 'pglogical.conflict_resolution' AND s.setting <> 'apply_remote'
