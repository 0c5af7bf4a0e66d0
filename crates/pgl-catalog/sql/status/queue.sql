-- What was queued last on the source. Commands themselves are not read: they may hold secrets.
SELECT message_type::text AS kind,
       CASE WHEN message_type IN ('T', 'S') THEN message ->> 'schema_name' END AS schema,
       CASE WHEN message_type = 'T' THEN message ->> 'table_name'
            WHEN message_type = 'S' THEN message ->> 'sequence_name' END AS name,
       role::text AS role
  FROM pglogical.queue
 ORDER BY queued_at DESC
 LIMIT 200;
