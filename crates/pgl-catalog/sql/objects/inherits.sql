-- Inheritance and partitioning. Indexes inherit too, from 11 on; they are left out.
SELECT i.inhrelid::int8 AS child,
       i.inhparent::int8 AS parent
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE c.relkind IN ('r', 'p', 'f')
ORDER BY i.inhrelid, i.inhseqno;
