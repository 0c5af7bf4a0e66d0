-- Whether schema pgl has a journal that may be read: an ordinary table of a superuser or of this role,
-- without row security, so that reading it runs nobody's code.
SELECT EXISTS (SELECT 1
                 FROM pg_class c
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN pg_roles o ON o.oid = c.relowner
                WHERE n.nspname = 'pgl' AND c.relname = 'journal' AND c.relkind = 'r'
                  AND (o.rolsuper OR o.rolname = current_user)
                  AND coalesce(row_to_json(c) ->> 'relrowsecurity', 'false') = 'false') AS ours;
