-- In which files tables are stored now: TRUNCATE and every rewrite give a table another one, and another table of the same
-- name has another oid. And their definitions, because DDL need not give a table another file: columns, dropped ones too,
-- the expressions of generated columns, the attributes of composite types that the columns are made of, the rows that a
-- partition takes, the tables that it inherits from, the replica identity and the columns of the primary key and of the
-- index that is the replica identity. What a definition was for a while only is seen in the versions of the catalog's rows,
-- those of the labels of enums among them. All tables where $1 is null. Columns that a server version lacks are read through
-- row_to_json, which yields null for them.
WITH RECURSIVE wanted (oid) AS (
    SELECT c.oid
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS named (schema, name)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = named.schema
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = named.name
    UNION ALL
    SELECT c.oid FROM pg_catalog.pg_class AS c WHERE $1::text[] IS NULL AND c.relkind IN ('r', 'p')
),
-- The rows of a partition whose concurrent detachment has begun are not seen in its table any more, here and below.
parents (relation, parents, versions) AS (
    SELECT
        wanted.oid,
        pg_catalog.string_agg(i.inhparent::text, ' ' ORDER BY i.inhseqno),
        pg_catalog.string_agg(i.xmin::text, ' ' ORDER BY i.inhseqno)
    FROM wanted
    JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = wanted.oid
    WHERE (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
    GROUP BY wanted.oid
),
made_of (type, part) AS (
    SELECT a.atttypid, a.atttypid
    FROM wanted
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = wanted.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT made_of.type, inner_type.oid
    FROM made_of
    JOIN pg_catalog.pg_type AS t ON t.oid = made_of.part
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typbasetype <> 0
        UNION ALL
        SELECT e.oid FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range AS r
        WHERE r.rngtypid = t.oid
            OR (pg_catalog.row_to_json(r) ->> 'rngmultitypid') = t.oid::text
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS inner_type (oid)
),
-- Those that somebody can alter. Few: each is looked up by its OID.
alterable (type, oid, kind, relation, version) AS (
    SELECT made_of.type, t.oid, t.typtype, t.typrelid, t.version
    FROM made_of
    CROSS JOIN LATERAL (
        SELECT p.oid, p.typtype, p.typrelid, p.xmin::text AS version
        FROM pg_catalog.pg_type AS p
        WHERE p.oid = made_of.part AND p.oid >= 16384
        OFFSET 0
    ) AS t
),
composite (type, attributes, versions) AS (
    SELECT
        t.type,
        pg_catalog.string_agg(
            pg_catalog.format('%s %s %I %s %s', t.oid, a.attnum, a.attname, a.atttypid, a.atttypmod),
            ', ' ORDER BY t.oid, a.attnum),
        pg_catalog.string_agg(a.version, ' ' ORDER BY t.oid, a.attnum)
    FROM alterable AS t
    CROSS JOIN LATERAL (
        SELECT p.attnum, p.attname, p.atttypid, p.atttypmod, p.xmin::text AS version
        FROM pg_catalog.pg_attribute AS p
        WHERE p.attrelid = t.relation AND p.attnum > 0
        OFFSET 0
    ) AS a
    WHERE t.kind = 'c'
    GROUP BY t.type
),
-- The labels of enums are read as they are now, whatever the snapshot.
named (type, versions) AS (
    SELECT
        t.type,
        pg_catalog.string_agg(
            pg_catalog.format('%s %s %s', t.oid, t.version, (
                SELECT pg_catalog.string_agg(
                    pg_catalog.format('%s %I %s', e.oid, e.enumlabel, e.xmin), ', ' ORDER BY e.oid)
                FROM pg_catalog.pg_enum AS e
                WHERE e.enumtypid = t.oid
            )),
            ', ' ORDER BY t.oid)
    FROM alterable AS t
    GROUP BY t.type
),
above (relation, partition, parent, bound, version) AS (
    SELECT
        wanted.oid,
        c.oid,
        i.inhparent,
        pg_catalog.row_to_json(c) ->> 'relpartbound',
        pg_catalog.concat_ws(' ', i.xmin, c.xmin)
    FROM wanted
    JOIN pg_catalog.pg_class AS c ON c.oid = wanted.oid
    JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid
        AND (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
    WHERE pg_catalog.row_to_json(c) ->> 'relispartition' = 'true'
    UNION ALL
    SELECT
        above.relation,
        c.oid,
        i.inhparent,
        pg_catalog.row_to_json(c) ->> 'relpartbound',
        pg_catalog.concat_ws(' ', i.xmin, c.xmin)
    FROM above
    JOIN pg_catalog.pg_class AS c ON c.oid = above.parent
    JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid
        AND (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
    WHERE pg_catalog.row_to_json(c) ->> 'relispartition' = 'true'
),
-- A default partition takes the rows that the others do not.
takes (relation, rows, versions) AS (
    SELECT
        above.relation,
        pg_catalog.string_agg(
            pg_catalog.format('%s %s %s', above.parent, above.bound, (
                SELECT pg_catalog.string_agg(i.inhrelid::text, ' ' ORDER BY i.inhrelid)
                FROM pg_catalog.pg_inherits AS i
                WHERE i.inhparent = above.parent AND above.bound LIKE '%:is\_default true%'
            )),
            ', ' ORDER BY above.partition),
        pg_catalog.string_agg(above.version, ', ' ORDER BY above.partition)
    FROM above
    GROUP BY above.relation
),
below (relation, partition, version) AS (
    SELECT wanted.oid, i.inhrelid, i.xmin::text
    FROM wanted
    JOIN pg_catalog.pg_class AS c ON c.oid = wanted.oid AND c.relkind = 'p'
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = c.oid
        AND (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
    UNION ALL
    SELECT below.relation, i.inhrelid, i.xmin::text
    FROM below
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = below.partition
        AND (pg_catalog.row_to_json(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true'
),
-- What decoded changes show of old rows follows from these.
identity (relation, definition, versions) AS (
    SELECT
        wanted.oid,
        pg_catalog.string_agg(
            pg_catalog.format('%s %s (%s)', i.indisprimary, i.indisreplident, i.indkey),
            ', ' ORDER BY i.indisprimary, i.indisreplident, i.indexrelid),
        pg_catalog.string_agg(pg_catalog.format('%s %s', i.indexrelid, i.xmin), ', ' ORDER BY i.indexrelid)
    FROM wanted
    JOIN pg_catalog.pg_index AS i ON i.indrelid = wanted.oid AND (i.indisprimary OR i.indisreplident)
    GROUP BY wanted.oid
),
leaf (relation, partitions, versions) AS (
    SELECT
        below.relation,
        pg_catalog.json_agg(c.oid::int8 ORDER BY c.oid) FILTER (WHERE c.relkind = 'r'),
        pg_catalog.string_agg(below.version, ' ' ORDER BY c.oid)
    FROM below
    JOIN pg_catalog.pg_class AS c ON c.oid = below.partition
    GROUP BY below.relation
)
SELECT
    n.nspname AS schema,
    c.relname AS name,
    c.oid::bigint AS oid,
    c.relfilenode::bigint AS file,
    coalesce((
        SELECT pg_catalog.string_agg(
            pg_catalog.format('%s %I %s %s', a.attnum, a.attname, a.atttypid, a.atttypmod)
            || coalesce(' (' || composite.attributes || ')', '')
            || coalesce(' generated ' || d.adbin::text, ''), ', ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        LEFT JOIN composite ON composite.type = a.atttypid
        LEFT JOIN pg_catalog.pg_attrdef AS d
            ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND pg_catalog.row_to_json(a) ->> 'attgenerated' <> ''
        WHERE a.attrelid = c.oid AND a.attnum > 0
    ), '') || coalesce('; ' || takes.rows, '')
    || coalesce('; inherits from ' || parents.parents, '')
    || '; replica identity ' || c.relreplident::text || coalesce(': ' || identity.definition, '') AS layout,
    pg_catalog.concat_ws('; ', n.xmin, c.xmin, identity.versions, takes.versions, parents.versions, leaf.versions, (
        SELECT pg_catalog.string_agg(
            pg_catalog.concat_ws(' ', a.xmin, named.versions, composite.versions), '; ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        LEFT JOIN named ON named.type = a.atttypid
        LEFT JOIN composite ON composite.type = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0
    )) AS versions,
    coalesce(leaf.partitions, '[]') AS leaves
FROM wanted
JOIN pg_catalog.pg_class AS c ON c.oid = wanted.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN identity ON identity.relation = c.oid
LEFT JOIN takes ON takes.relation = c.oid
LEFT JOIN parents ON parents.relation = c.oid
LEFT JOIN leaf ON leaf.relation = c.oid
