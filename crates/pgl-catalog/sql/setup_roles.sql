-- Roles that own an object of this database, hold a privilege on one or stand in a policy. Owners of
-- an extension's objects do not count: its script makes them. Privileges on them do: pg_dump has those
-- that were given later. The bootstrap superuser is asked for separately, because pg_shdepend leaves it out.
WITH db AS (
    SELECT oid FROM pg_database WHERE datname = current_database()
), owned AS (
    SELECT 'pg_class'::regclass AS class, c.oid, c.relowner AS owner, c.relnamespace AS space
      FROM pg_class c
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.proowner, p.pronamespace FROM pg_proc p
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, t.typowner, t.typnamespace FROM pg_type t
    UNION ALL
    SELECT 'pg_namespace'::regclass, s.oid, s.nspowner, s.oid FROM pg_namespace s
), meant AS (
    SELECT o.owner
      FROM owned o
      JOIN pg_namespace n ON n.oid = o.space
     WHERE n.nspname NOT IN ('information_schema', 'pglogical', 'pglogical_origin', 'pgl')
       AND n.nspname !~ '^pg_'
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype = 'e')
    UNION
    SELECT d.refobjid
      FROM pg_shdepend d, db
     WHERE d.refclassid = 'pg_authid'::regclass
       AND d.dbid = db.oid
       AND d.deptype <> 'i'
       AND (d.deptype = 'a'
            OR NOT EXISTS (SELECT FROM pg_depend e
                            WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e'))
       AND NOT EXISTS (SELECT FROM owned o
                         JOIN pg_namespace n ON n.oid = o.space
                        WHERE o.class = d.classid AND o.oid = d.objid
                          AND n.nspname IN ('pglogical', 'pglogical_origin', 'pgl'))
)
SELECT r.rolname AS name
  FROM meant
  JOIN pg_roles r ON r.oid = meant.owner
 WHERE r.rolname !~ '^pg_'
 GROUP BY r.rolname
 ORDER BY r.rolname
