-- pglogical's truncate triggers on table $1: taking a table out of its set leaves them.
SELECT g.tgname::text AS name
  FROM pg_trigger g
  JOIN pg_proc p ON p.oid = g.tgfoid
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE g.tgrelid = $1::text::regclass
   AND n.nspname = 'pglogical'
   AND p.proname = 'queue_truncate'
 ORDER BY 1
