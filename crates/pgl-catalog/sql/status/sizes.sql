-- Sizes of the tables whose schemas are $1 and names $2, with TOAST, in bytes; missing ones are
-- left out, and the size of those that are locked is null: for a lock this does not wait.
SELECT n.nspname::text AS schema, c.relname::text AS name,
       CASE WHEN NOT EXISTS (SELECT 1 FROM pg_locks l
                             WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock'
                               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
            THEN pg_table_size(c.oid) END AS value
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind = 'r';
