//! Whether every value of one type is a value of another, by the types' names.

/// How a target column's type relates to the source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The same type.
    Same,
    /// Another limit or name, the same bytes: `varchar(10)` in `text`.
    SameBytes,
    /// Wider, with another binary form: `integer` in `bigint`.
    Wider,
    /// Anything else: values may be refused or changed.
    Other,
}

/// Compares two `format_type` texts.
pub(super) fn fit(source: &str, target: &str) -> Fit {
    if source == target {
        return Fit::Same;
    }
    let (from, to) = (Name::of(source), Name::of(target));
    let whole = |name: &str| match name {
        "smallint" => Some(0),
        "integer" => Some(1),
        "bigint" => Some(2),
        _ => None,
    };
    match (from.base, to.base) {
        ("text" | "character varying", "text") => Fit::SameBytes,
        ("text", "character varying") if to.limit.is_none() => Fit::SameBytes,
        ("character varying" | "bit varying", same) if same == from.base => {
            room(from.limit, to.limit)
        }
        ("numeric", "numeric") => match (from.limit, to.limit) {
            (_, None) => Fit::SameBytes,
            (Some((digits, scale)), Some((more, finer)))
                if finer >= scale && more - finer >= digits - scale =>
            {
                Fit::SameBytes
            }
            _ => Fit::Other,
        },
        ("real", "double precision") => Fit::Wider,
        (one, "numeric") if whole(one).is_some() && to.limit.is_none() => Fit::Wider,
        (one, other) => match (whole(one), whole(other)) {
            (Some(narrow), Some(wide)) if narrow < wide => Fit::Wider,
            _ if one == other && one.starts_with("time") => room(from.limit, to.limit),
            _ => Fit::Other,
        },
    }
}

/// Whether the second limit leaves room for everything within the first.
fn room(from: Option<(i64, i64)>, to: Option<(i64, i64)>) -> Fit {
    match (from, to) {
        (_, None) => Fit::SameBytes,
        (Some((narrow, _)), Some((wide, _))) if wide >= narrow => Fit::SameBytes,
        _ => Fit::Other,
    }
}

/// A type's name without its modifiers, and these.
struct Name<'a> {
    base: &'a str,
    limit: Option<(i64, i64)>,
}

impl<'a> Name<'a> {
    /// Reads `character varying(10)`, `numeric(10,2)`. `timestamp(3) with time zone` keeps its
    /// ending: such names only ever compare as a whole, like arrays and types of the user.
    fn of(text: &'a str) -> Self {
        let parts = text.strip_suffix(')').and_then(|rest| {
            let (base, limits) = rest.split_once('(')?;
            let (first, second) = limits.split_once(',').unwrap_or((limits, "0"));
            Some((base, (first.parse().ok()?, second.parse().ok()?)))
        });
        let (base, limit) = parts.map_or((text, None), |(base, limit)| (base, Some(limit)));
        Self { base, limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_provable_fits_are_called_so() {
        let cases = [
            ("integer", "integer", Fit::Same),
            ("app.mood", "app.mood", Fit::Same),
            ("integer", "bigint", Fit::Wider),
            ("smallint", "integer", Fit::Wider),
            ("bigint", "numeric", Fit::Wider),
            ("real", "double precision", Fit::Wider),
            ("character varying(10)", "text", Fit::SameBytes),
            (
                "character varying(10)",
                "character varying(20)",
                Fit::SameBytes,
            ),
            ("character varying(10)", "character varying", Fit::SameBytes),
            ("text", "character varying", Fit::SameBytes),
            ("numeric(10,2)", "numeric", Fit::SameBytes),
            ("numeric(10,2)", "numeric(12,2)", Fit::SameBytes),
            ("numeric(10,2)", "numeric(12,4)", Fit::SameBytes),
            ("numeric(10,2)", "numeric(12,5)", Fit::Other),
            ("bigint", "integer", Fit::Other),
            ("bigint", "numeric(5,0)", Fit::Other),
            ("text", "character varying(20)", Fit::Other),
            ("character varying(20)", "character varying(10)", Fit::Other),
            ("character varying", "character varying(10)", Fit::Other),
            ("character(5)", "text", Fit::Other),
            ("json", "jsonb", Fit::Other),
            (
                "timestamp without time zone",
                "timestamp with time zone",
                Fit::Other,
            ),
            ("integer[]", "bigint[]", Fit::Other),
            ("app.mood", "other.mood", Fit::Other),
        ];
        for (source, target, expected) in cases {
            assert_eq!(fit(source, target), expected, "{source} in {target}");
        }
    }
}
