-- State and definition of the sequences $1 (object ids), many in one round trip, each with the
-- moment at which it was read (microseconds since 1970). 9.4 to 9.6.
SELECT oid,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS read_at,
       substring(row FROM '<last_value>(-?[0-9]+)</last_value>')::bigint AS last_value,
       substring(row FROM '<is_called>(true|false)</is_called>')::boolean AS is_called,
       substring(row FROM '<start_value>(-?[0-9]+)</start_value>')::bigint AS start,
       substring(row FROM '<increment_by>(-?[0-9]+)</increment_by>')::bigint AS increment,
       substring(row FROM '<min_value>(-?[0-9]+)</min_value>')::bigint AS min,
       substring(row FROM '<max_value>(-?[0-9]+)</max_value>')::bigint AS max,
       substring(row FROM '<cache_value>(-?[0-9]+)</cache_value>')::bigint AS cache,
       substring(row FROM '<is_cycled>(true|false)</is_cycled>')::boolean AS cycle
  FROM (SELECT c.oid::bigint AS oid,
               query_to_xml(format('SELECT * FROM %I.%I', n.nspname, c.relname),
                            true, false, '')::text AS row
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = ANY ($1::bigint[]::oid[])
        OFFSET 0) read;
