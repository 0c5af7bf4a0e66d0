-- What pglogical holds in this database. Connection strings are not read: they hold passwords.
SELECT
    (
        SELECT n.node_name::text
        FROM pglogical.local_node AS l
        JOIN pglogical.node AS n ON n.node_id = l.node_id
    ) AS local_node,
    (
        SELECT coalesce(json_agg(f), '[]')
        FROM (
            SELECT
                s.set_name AS name,
                (
                    SELECT count(*) FROM pglogical.replication_set_table AS t WHERE t.set_id = s.set_id
                ) AS tables
            FROM pglogical.replication_set AS s
            WHERE s.set_nodeid IN (SELECT node_id FROM pglogical.local_node)
            ORDER BY s.set_name
        ) AS f
    ) AS sets,
    (
        SELECT coalesce(json_agg(f), '[]')
        FROM (
            SELECT
                s.sub_name AS name,
                coalesce(n.node_name, '') AS provider,
                s.sub_enabled AS enabled,
                s.sub_slot_name AS slot
            FROM pglogical.subscription AS s
            LEFT JOIN pglogical.node AS n ON n.node_id = s.sub_origin
            ORDER BY s.sub_name
        ) AS f
    ) AS subscriptions,
    ARRAY(
        SELECT coalesce(r.rolname::text, 'public')
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
        WHERE n.nspname = 'pglogical'
            AND a.privilege_type = 'USAGE'
            AND a.grantee <> n.nspowner
            AND NOT coalesce(r.rolsuper, false)
        ORDER BY 1
    ) AS users,
    (
        SELECT count(*)
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'pglogical'
            AND (
                p.proacl IS NULL
                OR EXISTS (
                    SELECT 1
                    FROM pg_catalog.aclexplode(p.proacl) AS a
                    WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'
                )
            )
    ) AS public_functions;
