-- The name that pglogical gives the slot of subscription $3, from the provider node $2, in the target database $1: what
-- its pglogical_gen_slot_name() yields, which is there only once the extension is. A part above 16 bytes is cut to 8
-- and 7 digits of its hash; every byte that a slot's name may not hold becomes an underscore.
SELECT
    'pgl_' || pg_catalog.string_agg(
        pg_catalog.regexp_replace(
            pg_catalog.encode(
                CASE WHEN pg_catalog.octet_length(p.bytes) > 16 THEN substring(p.bytes FROM 1 FOR 8) ELSE p.bytes END,
                'escape'
            ),
            E'\\\\[0-7]{3}|\\\\\\\\|[^a-z0-9_]', '_', 'g'
        ) || CASE
            WHEN pg_catalog.octet_length(p.bytes) > 16
                THEN pg_catalog.left(pg_catalog.lpad(pg_catalog.to_hex(pg_catalog.hashtext(p.part)), 8, '0'), 7)
            ELSE ''
        END,
        '_' ORDER BY p.place
    ) AS name
FROM (
    SELECT u.place, u.part, pg_catalog.convert_to(u.part, pg_catalog.getdatabaseencoding()) AS bytes
    FROM (VALUES (1, $1::text), (2, $2::text), (3, $3::text)) AS u (place, part)
) AS p;
