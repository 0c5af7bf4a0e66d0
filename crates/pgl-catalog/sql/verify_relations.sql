-- Every relation of the database that holds rows or stands for some, with its columns and keys.
-- Columns that a server version lacks are read through row_to_json, which yields null for them. Nothing here waits for a
-- lock on a table: sizes are those of the last VACUUM or ANALYZE (verify_sizes.sql has those of now).
WITH RECURSIVE inherits (relation, parent, place) AS (
    -- The rows of a partition whose concurrent detachment has begun are not seen in its table any more.
    SELECT i.inhrelid, i.inhparent, i.inhseqno
    FROM pg_catalog.pg_inherits AS i
    WHERE (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
),
up (relation, ancestor, depth) AS (
    SELECT i.relation, i.parent, 1
    FROM inherits AS i
    JOIN pg_catalog.pg_class AS child ON child.oid = i.relation
    WHERE pg_catalog.row_to_json(child) ->> 'relispartition' = 'true'
    UNION ALL
    SELECT up.relation, i.parent, up.depth + 1
    FROM up
    JOIN inherits AS i ON i.relation = up.ancestor
    JOIN pg_catalog.pg_class AS middle ON middle.oid = up.ancestor
    WHERE pg_catalog.row_to_json(middle) ->> 'relispartition' = 'true'
),
above (relation, names) AS (
    SELECT
        up.relation,
        pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) ORDER BY up.depth)
    FROM up
    JOIN pg_catalog.pg_class AS c ON c.oid = up.ancestor
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    GROUP BY up.relation
),
parents (relation, names) AS (
    SELECT
        i.relation,
        pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) ORDER BY i.place)
    FROM inherits AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.parent
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    GROUP BY i.relation
),
keys AS (
    SELECT
        i.indrelid,
        i.indisprimary,
        i.indisreplident,
        ic.relname,
        (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.place <= coalesce(
                (pg_catalog.row_to_json(i) ->> 'indnkeyatts')::int, i.indnatts::int)
        ) AS columns,
        NOT EXISTS (
            SELECT 1
            FROM pg_catalog.unnest(i.indkey::int2[]) AS k (attnum)
            LEFT JOIN pg_catalog.pg_attribute AS a
                ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE a.attnotnull IS NOT TRUE
        ) AS not_null
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
    WHERE i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL
),
-- Joined as a whole: one look for each table would take the square of their number.
chosen AS (
    SELECT
        k.indrelid,
        (pg_catalog.array_agg(k.columns) FILTER (WHERE k.indisprimary))[1] AS primary_key,
        (pg_catalog.array_agg(k.columns) FILTER (WHERE k.indisreplident))[1] AS identity_key,
        (
            pg_catalog.array_agg(k.columns ORDER BY pg_catalog.json_array_length(k.columns), k.relname)
            FILTER (WHERE k.not_null)
        )[1] AS unique_key
    FROM keys AS k
    GROUP BY k.indrelid
)
SELECT
    c.oid::int8 AS oid,
    n.nspname AS schema,
    c.relname AS name,
    c.relkind AS kind,
    c.relpersistence AS persistence,
    coalesce(above.names, '[]') AS above,
    coalesce(parents.names, '[]') AS parents,
    (
        SELECT e.extname
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.objid = c.oid
            AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND d.deptype = 'e'
        LIMIT 1
    ) AS extension,
    (
        coalesce(pg_catalog.row_to_json(c) ->> 'relrowsecurity', 'false') = 'true'
        AND NOT me.rolsuper
        AND NOT coalesce(pg_catalog.row_to_json(me) ->> 'rolbypassrls', 'false') = 'true'
        AND NOT (
            pg_catalog.pg_has_role(c.relowner, 'USAGE')
            AND coalesce(pg_catalog.row_to_json(c) ->> 'relforcerowsecurity', 'false') = 'false'
        )
    ) AS row_security,
    c.relreplident AS replica_identity,
    coalesce((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname,
            'type', a.atttypid::int8,
            'typmod', a.atttypmod,
            'shown', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'generated', coalesce(pg_catalog.row_to_json(a) ->> 'attgenerated', '') <> '',
            'is_virtual', coalesce(pg_catalog.row_to_json(a) ->> 'attgenerated', '') = 'v'
        ) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), '[]') AS columns,
    chosen.primary_key,
    CASE WHEN c.relreplident = 'i' THEN chosen.identity_key END AS identity_key,
    chosen.unique_key,
    CASE WHEN c.relkind = 'r' THEN c.relpages::int8 * pg_catalog.current_setting('block_size')::int8 ELSE 0 END AS bytes,
    c.reltuples AS estimate,
    (
        SELECT pg_catalog.min(pg_catalog.format(
            '%s %s (ENABLE %s)', fires.kind, fires.name, CASE fires.enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END))
        FROM (
            SELECT 'trigger', t.tgname, t.tgenabled FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid
            UNION ALL
            SELECT 'rule', r.rulename, r.ev_enabled FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid
        ) AS fires (kind, name, enabled)
        WHERE fires.enabled IN ('A', 'R')
    ) AS replica_trigger,
    CASE WHEN c.relkind = 'r' THEN c.relpages::int8 ELSE 0 END AS pages,
    rights.readable
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN (SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user) AS me
LEFT JOIN above ON above.relation = c.oid
LEFT JOIN parents ON parents.relation = c.oid
LEFT JOIN chosen ON chosen.indrelid = c.oid
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable
    OFFSET 0
) AS rights
WHERE c.relkind IN ('r', 'p', 'f', 'm')
    AND (
        n.nspname NOT IN ('pg_catalog', 'information_schema', 'pglogical', 'pglogical_origin')
        OR parents.names IS NOT NULL
    )
    AND n.nspname !~ '^pg_(toast|temp)'
    -- Otherwise it was dropped since this statement began.
    AND rights.readable IS NOT NULL
ORDER BY n.nspname, c.relname
