-- Which of the tables ($1 schemas, $2 names) are the ones that the copy of migration $3 filled for subscription $4, where pglogical's
-- public functions have made that before, which write no row for a table: no other table of that name, no column was dropped
-- since, and the subscription was not made again.
SELECT format('%I.%I', w.schema, w.name) AS name
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
  JOIN pglogical.subscription s ON s.sub_name = $4
  JOIN pglogical.local_sync_status b ON b.sync_subid = s.sub_id AND b.sync_nspname IS NULL
 WHERE NOT EXISTS (SELECT FROM pglogical.local_sync_status y
                    WHERE y.sync_nspname = w.schema AND y.sync_relname = w.name)
   AND (SELECT COALESCE(bool_and(
                   (j.detail ->> 'oid') IS NOT DISTINCT FROM c.oid::text
                   AND (j.detail ->> 'subscription') IS NOT DISTINCT FROM b.xmin::text
                   AND (j.detail ->> 'dropped_columns') IS NOT DISTINCT FROM
                       (SELECT count(*)::text FROM pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attisdropped)), false)
          FROM pgl.journal j
         WHERE j.migration = $3
           AND j.step = 'copy'
           AND (j.detail ->> 'table') = format('"%s"."%s"', replace(w.schema, '"', '""'), replace(w.name, '"', '""')))
