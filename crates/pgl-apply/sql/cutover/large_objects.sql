-- Every large object: owner, rights, comment, length, and a digest of what it holds, piece by piece, so that
-- no piece is larger than a mebibyte. Opened, measured and closed row by row: a hundred thousand open
-- descriptors would be kept until the end of the transaction.
SELECT l.oid::bigint AS oid, l.owner, l.acl, l.comment, l.bytes,
       (SELECT md5(COALESCE(string_agg(md5(pg_catalog.lo_get(l.oid, p.place, 1048576)), '' ORDER BY p.place), ''))
          FROM generate_series(0, l.bytes - 1, 1048576) AS p(place)) AS digest
  FROM (SELECT c.*, pg_catalog.lo_close(c.fd) AS closed
          FROM (SELECT b.*, pg_catalog.lo_lseek64(b.fd, 0, 2) AS bytes
                  FROM (SELECT m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text AS owner,
                               CASE WHEN m.lomacl IS NOT NULL
                                    THEN COALESCE((SELECT json_agg(json_build_object(
                                                       'grantee', CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END,
                                                       'right', a.privilege_type,
                                                       'grantable', a.is_grantable)
                                                     ORDER BY pg_catalog.pg_get_userbyid(a.grantee), a.privilege_type)
                                               FROM (SELECT grantee, privilege_type, bool_or(is_grantable) AS is_grantable
                                                       FROM pg_catalog.aclexplode(m.lomacl)
                                                      GROUP BY grantee, privilege_type) a), '[]')
                               END AS acl,
                               pg_catalog.obj_description(m.oid, 'pg_largeobject') AS comment,
                               pg_catalog.lo_open(m.oid, 262144) AS fd
                          FROM pg_catalog.pg_largeobject_metadata m
                        OFFSET 0) b
                OFFSET 0) c
        OFFSET 0) l
 ORDER BY l.oid
