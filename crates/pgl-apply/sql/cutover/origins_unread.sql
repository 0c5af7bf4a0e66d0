-- Replication origins of unknown use, where the role may not read under which of them sessions have written. Left out are the origins
-- of the subscriptions $1, of copies of this suite, and of migrations of other databases. From 9.5 on.
SELECT format('%s (this role may not read pg_replication_origin_status)', o.roname) AS name
  FROM pg_catalog.pg_replication_origin o
 WHERE o.roname !~ '^pgl_recopy_'
   AND o.roname NOT IN (SELECT sub_slot_name::text FROM pglogical.subscription WHERE sub_name = ANY ($1::text[]))
   AND (o.roname !~ '^pgl_'
        OR left(o.roname, 5 + least(length(current_database()), 8))
           IN ('pgl_' || left(current_database(), 8) || '_', 'pgl_' || left(current_database(), 9)))
 ORDER BY 1
