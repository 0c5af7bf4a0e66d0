-- Which of the tables ($1 schemas, $2 names) no row of the subscription $3 stands for.
SELECT format('%I.%I', w.schema, w.name) AS name
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
 WHERE NOT EXISTS (SELECT FROM pglogical.local_sync_status y
                     JOIN pglogical.subscription s ON s.sub_id = y.sync_subid
                    WHERE s.sub_name = $3
                      AND y.sync_nspname = w.schema
                      AND y.sync_relname = w.name
                      AND y.sync_status IN ('r', 'y'))
 ORDER BY 1
