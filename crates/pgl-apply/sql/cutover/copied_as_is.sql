-- Which of the tables ($1 schemas, $2 names) are the ones that the copy of migration $3 filled, where the subscription was
-- begun by public functions: no other table of that name, and no column was dropped since.
SELECT format('%I.%I', w.schema, w.name) AS name
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
 WHERE EXISTS (SELECT FROM pgl.journal j
                WHERE j.migration = $3 AND j.step = 'target.subscription' AND j.object = 'public')
   AND NOT EXISTS (SELECT FROM pglogical.local_sync_status y
                    WHERE y.sync_nspname = w.schema AND y.sync_relname = w.name)
   AND (SELECT COALESCE(bool_and(
                   (j.detail ->> 'oid') IS NOT DISTINCT FROM c.oid::text
                   AND (j.detail ->> 'dropped_columns') IS NOT DISTINCT FROM
                       (SELECT count(*)::text FROM pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attisdropped)), false)
          FROM pgl.journal j
         WHERE j.migration = $3
           AND j.step = 'copy'
           AND (j.detail ->> 'table') = format('"%s"."%s"', replace(w.schema, '"', '""'), replace(w.name, '"', '""')))
