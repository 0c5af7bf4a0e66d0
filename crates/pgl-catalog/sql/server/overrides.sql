-- ALTER DATABASE ... SET and ALTER ROLE ... SET. Applications keep secrets in settings of their own: values are read of
-- parameters without a dot in their name of this database and of roles in every database, elsewhere of the names in $1 (text[]).
SELECT
    d.datname AS database,
    r.rolname AS role,
    split_part(s.entry, '=', 1) AS name,
    CASE
        WHEN CASE
            WHEN s.setdatabase = 0 OR d.datname = current_database() THEN strpos(split_part(s.entry, '=', 1), '.') = 0
            ELSE lower(split_part(s.entry, '=', 1)) IN (SELECT lower(n) FROM unnest($1::text[]) AS n)
        END
            THEN substr(s.entry, strpos(s.entry, '=') + 1)
    END AS value
FROM (
    SELECT setdatabase, setrole, unnest(setconfig) AS entry
    FROM pg_catalog.pg_db_role_setting
) AS s
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
ORDER BY 1, 2, 3;
