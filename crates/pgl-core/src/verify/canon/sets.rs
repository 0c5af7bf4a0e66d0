//! Values that a server keeps sorted by the bytes of what they hold. In another encoding the order is another, so
//! between encodings they are compared as sets: each member as bytes in UTF-8, sorted by these.

use super::{Set, output, present};

/// Bytes that are equal where the sets are.
pub(super) fn write(set: Set, operand: &str) -> String {
    let members = match set {
        // Every node of the tree with the way to it.
        Set::Jsonb => format!(
            "(WITH RECURSIVE pgl_n (way, node) AS (SELECT ''::pg_catalog.bytea, {operand} UNION ALL \
             SELECT pgl_n.way OPERATOR(pg_catalog.||) pgl_m.step, pgl_m.node FROM pgl_n CROSS JOIN LATERAL \
             (SELECT pg_catalog.record_send(ROW(pgl_o.key)), pgl_o.value FROM pg_catalog.jsonb_each(\
             CASE pg_catalog.jsonb_typeof(pgl_n.node) WHEN 'object' THEN pgl_n.node END) AS pgl_o UNION ALL \
             SELECT pg_catalog.int8send(pgl_a.place), pgl_a.value FROM pg_catalog.jsonb_array_elements(\
             CASE pg_catalog.jsonb_typeof(pgl_n.node) WHEN 'array' THEN pgl_n.node END) WITH ORDINALITY \
             AS pgl_a (value, place)) AS pgl_m (step, node)) SELECT pg_catalog.record_send(ROW(pgl_n.way, \
             pg_catalog.jsonb_typeof(pgl_n.node), CASE WHEN pg_catalog.jsonb_typeof(pgl_n.node) \
             OPERATOR(pg_catalog.<>) ALL (ARRAY['object', 'array']) THEN (pgl_n.node)::pg_catalog.text END)) FROM pgl_n)"
        ),
        Set::Tsvector => format!(
            "(SELECT pg_catalog.record_send(ROW(pgl_l.lexeme, pgl_l.positions, pgl_l.weights)) \
             FROM pg_catalog.unnest({operand}) AS pgl_l)"
        ),
        // Pairs as they are printed, whichever schema the type is in.
        Set::Hstore => format!(
            "(SELECT pg_catalog.textsend(pgl_p.pair[1]) FROM pg_catalog.regexp_matches({}, \
             '(\"(?:[^\"\\\\]|\\\\.)*\"=>(?:NULL|\"(?:[^\"\\\\]|\\\\.)*\"))', 'g') AS pgl_p (pair))",
            output(operand)
        ),
    };
    format!(
        "CASE WHEN {} THEN pg_catalog.array_send(ARRAY(SELECT pgl_s.member FROM {members} AS pgl_s (member) \
         ORDER BY pgl_s.member)) END",
        present(operand)
    )
}
