-- The state of the sequences $1 (object ids), many in one round trip, each with the moment at which
-- it was read (microseconds since 1970). pg_sequences does not do:
-- its last_value is null for a sequence that was set with is_called = false. Names are resolved
-- when the statement runs, so a sequence dropped meanwhile fails it and the reader tries again.
SELECT oid,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS read_at,
       substring(row FROM '<last_value>(-?[0-9]+)</last_value>')::bigint AS last_value,
       substring(row FROM '<is_called>(true|false)</is_called>')::boolean AS is_called
  FROM (SELECT c.oid::bigint AS oid,
               query_to_xml(format('SELECT last_value, is_called FROM %I.%I', n.nspname, c.relname),
                            true, false, '')::text AS row
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = ANY ($1::bigint[]::oid[])
        OFFSET 0) read;
