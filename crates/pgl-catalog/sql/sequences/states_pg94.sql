-- A statement (psql: \gexec) for each of the sequences $1 (object ids): its state and definition, with the moment at which
-- they were read (microseconds since 1970). 9.4 to 9.6. tableoid is the id of what was read, whatever has the name by then.
SELECT format('SELECT tableoid::bigint AS oid, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS read_at, last_value, is_called, start_value AS start, increment_by AS increment, min_value AS min, max_value AS max, cache_value AS cache, is_cycled AS cycle FROM %I.%I',
              n.nspname, c.relname) AS statement
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::bigint[]::oid[]);
