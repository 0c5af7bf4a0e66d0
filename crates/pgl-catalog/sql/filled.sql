-- Tables that migration $1 has filled (step $2) with their object ids on this server, one row each:
-- that of the newest copy. Notes without an object id are left out.
SELECT DISTINCT ON (1) regexp_replace(object, '#[^#]*$', '') AS "table", (detail ->> 'oid')::bigint AS oid
  FROM pgl.journal
 WHERE migration = $1 AND step = $2 AND object LIKE '%#%' AND (detail ->> 'oid') IS NOT NULL
 ORDER BY 1, at DESC
