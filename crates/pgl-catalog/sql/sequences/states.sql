-- A statement (psql: \gexec) for each of the sequences $1 (object ids): its state, with the moment at which it was read
-- (microseconds since 1970). pg_sequences does not do: its last_value is null for a sequence that was set with
-- is_called = false. tableoid is the id of what was read, whatever has the name by then.
SELECT format('SELECT tableoid::bigint AS oid, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS read_at, last_value, is_called FROM %I.%I',
              n.nspname, c.relname) AS statement
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::bigint[]::oid[]);
