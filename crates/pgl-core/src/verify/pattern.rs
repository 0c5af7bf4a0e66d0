//! What differences look like: a likely cause in words, with how many of the rows looked at.
//!
//! Patterns never decide anything; the comparison of stored bytes has done that already. They
//! save the hours between "different" and "why". A pattern is named only when it explains a
//! difference exactly, value by value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::{RowDiff, Shown};
use super::rows::Kind;

/// A kind of difference seen in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pattern {
    /// Stable id: `float_digits`, `shifted`, …
    pub id: String,
    /// The column; null where the whole row is meant.
    pub column: Option<String>,
    /// How many of the rows looked at.
    pub rows: u64,
    /// In words.
    pub what: String,
}

/// Diagnoses the rows looked at; `types` gives the type of a column as people see it.
pub fn diagnose(rows: &[RowDiff], types: &dyn Fn(&str) -> String) -> Vec<Pattern> {
    let mut seen: BTreeMap<(Option<String>, &'static str, String), u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == Kind::Changed) {
        let nulled = row
            .columns
            .iter()
            .filter(|c| c.target.null && !c.source.null)
            .count();
        if nulled > 1 && nulled == row.columns.len() {
            let key = (None, "columns_nulled", String::new());
            *seen.entry(key).or_default() += 1;
        }
        if let Some(what) = exchanged(row) {
            *seen.entry((None, "exchanged", what)).or_default() += 1;
        }
        for column in &row.columns {
            let shown = types(&column.name);
            if let Some((id, detail)) = explain(&shown, &column.source, &column.target) {
                let key = (Some(column.name.clone()), id, detail);
                *seen.entry(key).or_default() += 1;
            }
        }
    }
    let mut found: Vec<Pattern> = seen
        .into_iter()
        .map(|((column, id, detail), rows)| Pattern {
            what: words(id, column.as_deref(), &detail, rows),
            id: id.to_owned(),
            column,
            rows,
        })
        .collect();
    found.sort_by(|one, two| two.rows.cmp(&one.rows).then(one.what.cmp(&two.what)));
    found
}

fn words(id: &str, column: Option<&str>, detail: &str, rows: u64) -> String {
    let column = column.unwrap_or("");
    let of = if rows == 1 {
        "1 row".to_owned()
    } else {
        format!("{rows} rows")
    };
    match id {
        "float_digits" => format!(
            "{column}: float digits lost in text transfer in {of} (extra_float_digits on the connection that streams)"
        ),
        "shifted" => format!("{column}: shifted by {detail} in {of}"),
        "day_month" => format!(
            "{column}: day and month exchanged in {of} (DateStyle on the connection that streams)"
        ),
        "fraction_lost" => format!("{column}: fractions of a second lost in {of}"),
        "trailing_blanks" => format!("{column}: blanks at the end lost or added in {of}"),
        "leading_blanks" => format!("{column}: blanks at the start lost or added in {of}"),
        "line_ends" => format!("{column}: line ends changed in {of}"),
        "null_empty" => format!("{column}: NULL and the empty string exchanged in {of}"),
        "nulled" => format!("{column}: NULL on the target in {of}"),
        "not_null" => format!("{column}: NULL on the source, a value on the target in {of}"),
        "case" => format!("{column}: only upper and lower case differ in {of}"),
        "scale" => format!("{column}: same number with other digits after the point in {of}"),
        "factor" => format!("{column}: multiplied by {detail} in {of}"),
        "rounded" => format!("{column}: rounded in {of}"),
        "negative_zero" => format!("{column}: sign of zero lost in {of}"),
        "cut" => format!("{column}: cut off at the end in {of}"),
        "mojibake" => format!("{column}: text encoded twice or decoded wrongly in {of}"),
        "lower_bound" => format!("{column}: array bounds changed in {of}"),
        "by_one" => format!("{column}: {detail} in {of} (a change applied twice or not at all)"),
        "exchanged" => format!("values of {detail} exchanged in {of}"),
        "columns_nulled" => format!("all differing columns are NULL on the target in {of}"),
        _ => format!("{column}: {id} in {of}"),
    }
}

/// Two columns of one row that hold each other's value.
fn exchanged(row: &RowDiff) -> Option<String> {
    let [one, two] = row.columns.as_slice() else {
        return None;
    };
    let same = |a: &Shown, b: &Shown| a.digest.is_some() && a.digest == b.digest;
    (same(&one.source, &two.target) && same(&two.source, &one.target))
        .then(|| format!("{} and {}", one.name, two.name))
}

fn explain(shown: &str, source: &Shown, target: &Shown) -> Option<(&'static str, String)> {
    let plain = |id| Some((id, String::new()));
    let is_empty = |value: &Shown| !value.null && value.length == Some(0);
    if (source.null && is_empty(target)) || (is_empty(source) && target.null) {
        return plain("null_empty");
    }
    match (source.null, target.null) {
        (false, true) => return plain("nulled"),
        (true, false) => return plain("not_null"),
        _ => {}
    }
    let (one, two) = (source.text.as_deref()?, target.text.as_deref()?);
    if shown.starts_with("timestamp") || shown == "date" {
        return times(one, two);
    }
    if shown == "real" || shown == "double precision" {
        return floats(shown, one, two);
    }
    if shown.starts_with("numeric") || matches!(shown, "integer" | "bigint" | "smallint" | "money")
    {
        return numbers(one, two);
    }
    if shown.ends_with(']') {
        let body = |text: &str| {
            text.split_once("]=")
                .map_or(text.to_owned(), |(_, b)| b.to_owned())
        };
        return (body(one) == body(two)).then_some(("lower_bound", String::new()));
    }
    texts(source, target, one, two)
}

fn texts(source: &Shown, target: &Shown, one: &str, two: &str) -> Option<(&'static str, String)> {
    let id = if one.trim_end_matches([' ', '\t', '\0']) == two.trim_end_matches([' ', '\t', '\0'])
        && one != two
    {
        "trailing_blanks"
    } else if one.trim_start() == two.trim_start() {
        "leading_blanks"
    } else if one.replace("\r\n", "\n").trim_end_matches('\n')
        == two.replace("\r\n", "\n").trim_end_matches('\n')
    {
        "line_ends"
    } else if one.to_lowercase() == two.to_lowercase() {
        "case"
    } else if target.length < source.length && one.starts_with(two) {
        "cut"
    } else if mojibake(one) == two || mojibake(two) == one {
        "mojibake"
    } else {
        return None;
    };
    Some((id, String::new()))
}

/// UTF-8 read as Latin-1 and encoded again.
fn mojibake(text: &str) -> String {
    if text.is_ascii() {
        return String::from("\u{0}");
    }
    text.bytes().map(char::from).collect()
}

fn floats(shown: &str, one: &str, two: &str) -> Option<(&'static str, String)> {
    let (a, b): (f64, f64) = (one.parse().ok()?, two.parse().ok()?);
    if a == 0.0 && b == 0.0 {
        return Some(("negative_zero", String::new()));
    }
    let digits = if shown == "real" { 6 } else { 15 };
    // What output with extra_float_digits = 0 and reading it back makes of the source's value.
    let through: f64 = format!("{a:.*e}", digits - 1).parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the comparison is between values of the narrower type on purpose"
    )]
    let same = match shown {
        "real" => (through as f32).to_bits() == (b as f32).to_bits(),
        _ => through.to_bits() == b.to_bits(),
    };
    same.then_some(("float_digits", String::new()))
}

/// A decimal number as digits and scale: exact, whatever its length.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let text: String = text.chars().filter(|c| *c != '$' && *c != ',').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, u32::try_from(fraction.len()).ok()?))
}

fn numbers(one: &str, two: &str) -> Option<(&'static str, String)> {
    let ((d1, s1), (d2, s2)) = (decimal(one)?, decimal(two)?);
    let scale = s1.max(s2);
    let a = d1.checked_mul(10_i128.checked_pow(scale - s1)?)?;
    let b = d2.checked_mul(10_i128.checked_pow(scale - s2)?)?;
    if a == b {
        return Some(("scale", String::new()));
    }
    for factor in [100, 1000, 10] {
        if a.checked_mul(factor) == Some(b) {
            return Some(("factor", factor.to_string()));
        }
        if b.checked_mul(factor) == Some(a) {
            return Some(("factor", format!("1/{factor}")));
        }
    }
    let unit = 10_i128.checked_pow(scale)?;
    if (a - b).abs() == unit {
        let text = if b > a {
            "greater by one"
        } else {
            "less by one"
        };
        return Some(("by_one", text.to_owned()));
    }
    // The target is the source with fewer digits.
    for zeros in 1..18 {
        let step = 10_i128.checked_pow(zeros)?;
        if b % step == 0 && (a - b).abs() * 2 <= step && a % step != 0 {
            return Some(("rounded", String::new()));
        }
    }
    None
}

fn times(one: &str, two: &str) -> Option<(&'static str, String)> {
    let (a, b) = (micros(one)?, micros(two)?);
    if swapped(one).as_deref() == Some(two) {
        return Some(("day_month", String::new()));
    }
    let shift = b - a;
    if a % 1000 != 0 && b % 1000 == 0 && shift.abs() < 1_000_000 {
        return Some(("fraction_lost", String::new()));
    }
    let minutes = shift / 60_000_000;
    if shift % 60_000_000 != 0 || minutes == 0 {
        return None;
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    let text = match (hours, rest) {
        (0, rest) => format!("{sign}{rest} min"),
        (hours, 0) => format!("{sign}{hours} h"),
        (hours, rest) => format!("{sign}{hours} h {rest} min"),
    };
    Some(("shifted", text))
}

/// `2024-03-04…` with day and month exchanged.
fn swapped(text: &str) -> Option<String> {
    let (year, rest) = text.split_at_checked(5)?;
    let (month, rest) = rest.split_at_checked(2)?;
    let (day, rest) = rest.strip_prefix('-')?.split_at_checked(2)?;
    Some(format!("{year}{day}-{month}{rest}"))
}

/// Microseconds since an arbitrary day, of `YYYY-MM-DD[ HH:MM:SS[.ffffff]][+00]`.
fn micros(text: &str) -> Option<i64> {
    let text = text.strip_suffix("+00").unwrap_or(text);
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    // Days from a civil date: months counted from March, so that the leap day comes last.
    let (y, m) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Shown {
        Shown {
            present: true,
            text: Some(text.to_owned()),
            null: false,
            length: Some(text.chars().count() as u64),
            digest: Some(text.to_owned()),
        }
    }

    #[test]
    fn each_pattern_is_recognised_exactly() {
        let cases = [
            (
                "timestamp without time zone",
                "2024-03-10 01:00:00",
                "2024-03-10 04:00:00",
                "shifted",
            ),
            (
                "timestamp with time zone",
                "2024-02-29 23:30:00+00",
                "2024-03-01 03:00:00+00",
                "shifted",
            ),
            ("date", "2024-03-04", "2024-04-03", "day_month"),
            (
                "timestamp without time zone",
                "2024-03-04 10:00:00.123456",
                "2024-03-04 10:00:00.123",
                "fraction_lost",
            ),
            (
                "double precision",
                "0.30000000000000004",
                "0.3",
                "float_digits",
            ),
            (
                "double precision",
                "0.300000000000000044",
                "0.299999999999999989",
                "float_digits",
            ),
            ("real", "16777218", "16777200", "float_digits"),
            ("double precision", "-0", "0", "negative_zero"),
            ("numeric", "1.0", "1.00", "scale"),
            ("numeric(12,2)", "1.37", "137.00", "factor"),
            ("money", "$1,234.56", "$1,234.60", "rounded"),
            ("bigint", "9007199254740993", "9007199254740990", "rounded"),
            ("integer", "7", "8", "by_one"),
            ("text", "abc ", "abc", "trailing_blanks"),
            ("text", " abc", "abc", "leading_blanks"),
            ("text", "a\r\nb", "a\nb", "line_ends"),
            ("citext", "ABC", "abc", "case"),
            ("text", "abcdef", "abc", "cut"),
            ("text", "müller", "mÃ¼ller", "mojibake"),
            ("integer[]", "[0:1]={1,2}", "{1,2}", "lower_bound"),
        ];
        for (kind, one, two, id) in cases {
            let found = explain(kind, &shown(one), &shown(two)).map(|(id, _)| id);
            assert_eq!(found, Some(id), "{kind} {one} {two}");
        }
        assert_eq!(explain("text", &shown("abc"), &shown("xyz")), None);
        assert_eq!(
            explain("double precision", &shown("1.5"), &shown("1.25")),
            None
        );
    }

    #[test]
    fn null_and_empty_are_told_apart() {
        let null = Shown {
            present: true,
            null: true,
            ..Shown::default()
        };
        let empty = shown("");
        assert_eq!(explain("text", &null, &empty).unwrap().0, "null_empty");
        assert_eq!(explain("text", &shown("x"), &null).unwrap().0, "nulled");
        assert_eq!(explain("text", &null, &shown("x")).unwrap().0, "not_null");
    }
}
