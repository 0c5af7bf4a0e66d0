-- Databases that trials of this role have made; nobody knows here whether one of them goes on.
SELECT datname
  FROM pg_catalog.pg_database
 WHERE datname ~ '^pgl_trial_[0-9]+$'
   AND pg_catalog.pg_has_role(datdba, 'USAGE')
 ORDER BY datname
