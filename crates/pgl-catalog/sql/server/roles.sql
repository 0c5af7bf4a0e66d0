-- All roles, which of them are members of the roles that give rights of interest, and what the
-- connected role may do with them. A superuser counts as a member of everything, which says nothing.
-- 16 and later.
SELECT
    r.rolname AS name,
    r.rolcanlogin AS login,
    r.rolsuper AS superuser,
    r.rolreplication AS replication,
    r.rolbypassrls AS bypass_rls,
    r.rolconnlimit AS connection_limit,
    CASE
        WHEN isfinite(r.rolvaliduntil)
            THEN extract(epoch FROM r.rolvaliduntil - clock_timestamp())::float8
    END AS expires_in_seconds,
    CASE
        WHEN r.rolsuper THEN '{}'::text[]
        ELSE ARRAY(
            SELECT m.rolname::text
            FROM pg_catalog.pg_roles AS m
            WHERE m.rolname IN (
                'pg_signal_backend', 'pg_monitor', 'pg_read_all_data', 'pg_read_all_settings',
                'pg_read_all_stats', 'pg_create_subscription', 'rds_superuser', 'rds_replication',
                'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin'
            )
                AND m.oid <> r.oid
                AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
            ORDER BY 1
        )
    END AS member_of,
    pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
    r.rolcreaterole AS createrole,
    r.rolinherit AS inherit,
    r.rolcreatedb AS createdb,
    CASE
        WHEN isfinite(r.rolvaliduntil)
            THEN to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"')
    END AS valid_until,
    (
        SELECT coalesce(json_agg(f), '[]')
        FROM (
            SELECT
                g.rolname AS role,
                bool_or(a.admin_option) AS admin,
                bool_or(a.inherit_option) AS inherit,
                bool_or(a.set_option) AS set
            FROM pg_catalog.pg_auth_members AS a
            JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid
            WHERE a.member = r.oid
            GROUP BY g.rolname
            ORDER BY g.rolname
        ) AS f
    ) AS memberships,
    pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') AS may_grant,
    pg_catalog.pg_has_role(r.oid, 'SET') AS may_become,
    (
        SELECT
            pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
            AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE p.proname = 'pglogical_node_info' AND p.pronargs = 0 AND n.nspname = 'pglogical'
    ) AS asked_by_pglogical
FROM pg_catalog.pg_roles AS r
ORDER BY 1;
