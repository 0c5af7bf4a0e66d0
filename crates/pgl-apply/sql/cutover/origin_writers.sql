-- Replication origins of unknown use under which sessions may have written to this database since LSN $1: those that status has there,
-- or that a restart of the server has made it forget. Left out are the origins of the subscriptions $2 and of copies of this suite,
-- and those of subscriptions of other databases. From 10 on.
SELECT o.roname::text AS name
  FROM pg_catalog.pg_replication_origin_status s
  JOIN pg_catalog.pg_replication_origin o ON o.roident = s.local_id
 WHERE (s.local_lsn > $1::text::pg_lsn OR s.local_lsn = '0/0')
   AND o.roname !~ '^pgl_recopy_'
   AND o.roname NOT IN (SELECT sub_slot_name::text FROM pglogical.subscription WHERE sub_name = ANY ($2::text[]))
   AND (o.roname !~ '^pgl_'
        OR left(o.roname, 5 + least(length(current_database()), 8))
           IN ('pgl_' || left(current_database(), 8) || '_', 'pgl_' || left(current_database(), 9)))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription u
                    WHERE u.subdbid <> (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                      AND (o.roname = 'pg_' || u.oid OR o.roname ~ ('^pg_' || u.oid || '_')))
 ORDER BY 1
