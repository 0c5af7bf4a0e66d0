//! A 64-bit hash of one value, made of PostgreSQL's own seeded hash functions (11 and later).
//!
//! They cost far less than building a row image and hashing that: a comparison is bounded by the
//! processor. But they follow type equality, and some of them fold. What is added here makes every
//! expression lossless: two different stored values have different input to a 64-bit hash.
//!
//! - `int8` folds its halves together before it is hashed: the upper half is hashed first, into the
//!   seed; together with it, the fold gives back the lower half.
//! - Floats hash -0 like 0: zeros are hashed by their text. So is NaN, whose bit patterns are one value: before 13.5 (and
//!   the minor releases of that day) each had a hash of its own.
//! - `char(n)` ignores trailing blanks: its stored length is hashed too.
//! - `numeric` ignores scale, sign and kind: scale and sign are hashed beside it, special values by their text. `jsonb` ignores
//!   them, too, and is hashed by its text; so are the labels of enums.
//! - Timestamps, times, intervals and money fold like `int8` and have no upper half to be had: hashed by the bytes of their
//!   send function, as is everything that is not listed here. These few bytes as text (`bytea_output`, which every session has
//!   alike): their hexadecimal digits cost half of what an array does, which the bytes of any length are put into.
//!
//! A NULL is a number of its own, never NULL: a digest made of these has no way of dropping a row.

use super::{Canon, Encoding, Flavour, Form, What, based, stored_text, write};
use crate::Side;

/// Numbers of this form are `bigint` to PostgreSQL and never negative.
fn number(of: u64) -> u64 {
    let mut mixed = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 2) | (1 << 40)
}

impl Canon {
    /// The hash of the column's value on one side: a `bigint` that is never NULL. Different `seed`s
    /// make unrelated functions.
    pub fn hash(&self, side: Side, seed: u64, relation: &str) -> String {
        let form = self.form(side);
        let column = self.operand(relation);
        let operand = based(form, &column);
        // Spread, so that seeds that count up do not meet in what is derived of them.
        let seed = number(seed);
        let null = number(!seed);
        if let What::Builtin { name, .. } = &form.what
            && name == "bool"
        {
            let (yes, no) = (number(seed ^ 1), number(seed ^ 2));
            return format!(
                "CASE WHEN {operand} THEN {yes} WHEN NOT {operand} THEN {no} ELSE {null} END"
            );
        }
        match value(form, &operand, seed, self.encoding) {
            Some(hash) => format!("coalesce({hash}, {null})"),
            None => {
                let bytes = write(form, &column, Flavour::Bytes, self.encoding);
                bytes_hash(&bytes, seed)
            }
        }
    }
}

/// NULL inside an array is hashed as a constant, and no array gives NULL.
fn bytes_hash(bytes: &str, seed: u64) -> String {
    format!("pg_catalog.hash_array_extended(ARRAY[{bytes}], {seed})")
}

fn text_hash(text: &str, seed: u64) -> String {
    // A nondeterministic collation would hash equal strings alike.
    format!("pg_catalog.hashtextextended(({text}) COLLATE pg_catalog.\"C\", {seed})")
}

/// NULL for NULL; none where only the bytes tell all values apart.
fn value(form: &Form, operand: &str, seed: u64, encoding: Encoding) -> Option<String> {
    // Where nothing is converted, the server's text is comparable as it is.
    let by_text =
        || (encoding != Encoding::Converted).then(|| text_hash(&stored_text(form, operand), seed));
    let name = match &form.what {
        What::Builtin { name, .. } => name.as_str(),
        What::Text | What::Enum => return by_text(),
        _ if encoding == Encoding::Raw && form.textual() => return by_text(),
        _ => return None,
    };
    let own = |function: &str| format!("pg_catalog.{function}({operand}, {seed})");
    let as_text = || text_hash(&format!("({operand})::pg_catalog.text"), seed);
    let special_by_text = |function: &str| {
        format!(
            "CASE WHEN {operand} OPERATOR(pg_catalog.=) '0' OR {operand} OPERATOR(pg_catalog.=) 'NaN' THEN {} ELSE {} END",
            as_text(),
            own(function)
        )
    };
    Some(match name {
        "int2" => own("hashint2extended"),
        "int4" => own("hashint4extended"),
        "oid" => own("hashoidextended"),
        "char" => own("hashcharextended"),
        "uuid" => own("uuid_hash_extended"),
        "int8" => format!(
            "pg_catalog.hashint8extended({operand}, pg_catalog.hashint8extended({operand} OPERATOR(pg_catalog.>>) 32, {seed}))"
        ),
        "float4" => special_by_text("hashfloat4extended"),
        "float8" => special_by_text("hashfloat8extended"),
        // The hash of the digits has the weight as it is: it is mixed once more, or the weights of two columns could cancel
        // each other out. Special values have no scale.
        "numeric" => format!(
            "coalesce(pg_catalog.hashint4extended(CASE WHEN {operand} OPERATOR(pg_catalog.<) 0 THEN \
             -1 OPERATOR(pg_catalog.-) pg_catalog.scale({operand}) ELSE pg_catalog.scale({operand}) END, \
             pg_catalog.hash_numeric_extended({operand}, {seed})), {})",
            as_text()
        ),
        "timestamp" | "timestamptz" | "time" | "timetz" | "interval" | "money" => {
            let bytes = write(form, operand, Flavour::Bytes, encoding);
            text_hash(&format!("({bytes})::pg_catalog.text"), seed)
        }
        // Infinite dates cannot be subtracted.
        "date" => format!(
            "CASE WHEN pg_catalog.isfinite({operand}) THEN \
             pg_catalog.hashint4extended({operand} OPERATOR(pg_catalog.-) '2000-01-01'::pg_catalog.date, {seed}) \
             ELSE {} END",
            as_text()
        ),
        _ if encoding == Encoding::Converted => return None,
        "text" | "varchar" | "json" | "jsonb" => return by_text(),
        "bpchar" => format!(
            "pg_catalog.hashbpcharextended(({operand}) COLLATE pg_catalog.\"C\", {seed}) OPERATOR(pg_catalog.#) \
             pg_catalog.hashint4extended(pg_catalog.octet_length({operand}), {})",
            number(seed)
        ),
        _ if encoding == Encoding::Raw && form.textual() => return by_text(),
        _ => return None,
    })
}
