-- Materialised views in an order in which each comes after those that it reads, also through
-- views; `depth` is the longest way down, and bounded, because views may read one another in a circle.
-- Those that the source never filled stay empty.
WITH RECURSIVE reads AS (
    SELECT DISTINCT r.ev_class AS reader, d.refobjid AS read
      FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
      JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('v', 'm')
), walk AS (
    SELECT c.oid, 0 AS depth FROM pg_class c WHERE c.relkind IN ('v', 'm')
    UNION
    SELECT reads.reader, walk.depth + 1 FROM walk JOIN reads ON reads.read = walk.oid
     WHERE walk.depth < (SELECT count(DISTINCT reader) FROM reads)
)
SELECT n.nspname AS schema,
       c.relname AS name,
       c.relispopulated AS populated,
       max(walk.depth) AS depth
  FROM walk
  JOIN pg_class c ON c.oid = walk.oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
 GROUP BY 1, 2, 3
 ORDER BY depth, 1, 2
