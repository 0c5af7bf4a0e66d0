-- What this database has beside what is in it, and which no dump of a schema contains: owner, connection limit,
-- privileges (null: those that a new database has; whoever gave them), template, tablespace, comment, settings for all roles or one (role null: for all), and the
-- comments of its extensions with those that they come with. One row. Settings may hold secrets.
SELECT
    d.datname AS name,
    pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
    current_user::text AS connected_as,
    d.datconnlimit AS connection_limit,
    CASE WHEN d.datacl IS NOT NULL THEN (
        SELECT COALESCE(json_agg(json_build_object(
            'grantee', CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END,
            'right', a.privilege_type,
            'grantable', a.is_grantable
        ) ORDER BY a.grantee <> 0, pg_catalog.pg_get_userbyid(a.grantee), a.privilege_type), '[]')
        FROM (
            SELECT grantee, privilege_type, bool_or(is_grantable) AS is_grantable
            FROM pg_catalog.aclexplode(d.datacl)
            GROUP BY grantee, privilege_type
        ) AS a
    ) END AS acl,
    d.datistemplate AS template,
    (SELECT spcname FROM pg_catalog.pg_tablespace AS s WHERE s.oid = d.dattablespace) AS tablespace,
    pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
    (
        SELECT COALESCE(json_agg(json_build_object(
            'role', r.rolname,
            'name', split_part(s.entry, '=', 1),
            'value', substr(s.entry, strpos(s.entry, '=') + 1)
        ) ORDER BY r.rolname NULLS FIRST, s.entry), '[]')
        FROM (
            SELECT setrole, unnest(setconfig) AS entry FROM pg_catalog.pg_db_role_setting WHERE setdatabase = d.oid
        ) AS s
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    ) AS settings,
    (
        SELECT COALESCE(json_agg(json_build_object(
            'name', e.extname,
            'comment', pg_catalog.obj_description(e.oid, 'pg_extension'),
            'comes_with', a.comment
        ) ORDER BY e.extname), '[]')
        FROM pg_catalog.pg_extension AS e
        JOIN pg_catalog.pg_available_extensions AS a ON a.name = e.extname
    ) AS extensions
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database()
