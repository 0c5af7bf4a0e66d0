//! Tables: keys, kinds, columns, constraints, behaviour, and the comparison with the target.

pub(super) mod behaviour;
pub(super) mod columns;
pub(super) mod keys;
pub(super) mod kinds;
pub(super) mod links;
pub(super) mod shape;
pub(super) mod target;

/// A name for a new index on this table that fits into 63 bytes.
pub(super) fn index_name(table: &str, suffix: &str) -> String {
    let room = 63 - suffix.len() - 1;
    let mut end = table.len().min(room);
    while !table.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{suffix}", &table[..end])
}
