//! Names of database objects and their spelling in SQL.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A schema and the name of an object in it, both as the catalog stores them (unquoted).
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct QualifiedName {
    /// Schema name.
    pub schema: String,
    /// Object name.
    pub name: String,
}

impl QualifiedName {
    /// From the two parts, as the catalog stores them.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// Schemas and names apart, in the same order: two arrays, as a statement takes a list of objects.
    pub fn split<'a>(all: impl IntoIterator<Item = &'a Self>) -> (Vec<&'a str>, Vec<&'a str>) {
        all.into_iter()
            .map(|one| (one.schema.as_str(), one.name.as_str()))
            .unzip()
    }

    /// The spelling for SQL: both parts always quoted, so that no keyword list is needed.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }

    /// As an argument of a command in a shell.
    pub fn argument(&self) -> String {
        let shown = self.to_string();
        if shown.contains('"') {
            format!("'{}'", self.sql().replace('\'', "'\\''"))
        } else {
            shown
        }
    }
}

/// For people: quoted only where PostgreSQL would need it.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", show_ident(&self.schema), show_ident(&self.name))
    }
}

/// An identifier in double quotes, inner quotes doubled.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal that means the same under either setting of `standard_conforming_strings`.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// A setting's value as `SET name TO …` takes it: a list is kept as names with commas between them, and quoting it as one
/// string would make one name of it. Each is a literal of its own: any role can have the server keep a name that
/// is SQL (`set_config`, then `ALTER ROLE … SET … FROM CURRENT`).
pub fn setting_literal(name: &str, value: &str) -> String {
    const LISTS: &[&str] = &[
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "local_preload_libraries",
        "datestyle",
    ];
    match LISTS.iter().any(|one| name.eq_ignore_ascii_case(one)) {
        true => {
            let names: Vec<String> = list_items(name, value)
                .map(|one| quote_literal(&one))
                .collect();
            names.join(", ")
        }
        false => quote_literal(value),
    }
}

/// The names in a list, as the server reads them: without quotes, which fold no letters. One without a name where there are none.
fn list_items(name: &str, value: &str) -> impl Iterator<Item = String> {
    let identifiers = !name.to_ascii_lowercase().ends_with("libraries")
        && !name.eq_ignore_ascii_case("datestyle");
    let (mut items, mut item) = (Vec::new(), String::new());
    let (mut quoted, mut within) = (false, false);
    for c in value.chars() {
        match c {
            // A doubled quote ends the quotes and begins them again.
            '"' => {
                if quoted && !within {
                    item.push('"');
                }
                within = !within;
                quoted = true;
            }
            ',' if !within => items.push((std::mem::take(&mut item), std::mem::take(&mut quoted))),
            c if c.is_ascii_whitespace() && !within && (quoted || item.is_empty()) => {}
            c => item.push(c),
        }
    }
    items.push((item, quoted));
    items.into_iter().map(move |(item, quoted)| match quoted {
        true => item,
        false if identifiers => item.trim_end().to_lowercase(),
        false => item.trim_end().to_owned(),
    })
}

/// An identifier as a person would write it: bare where it is plain lower case, else quoted.
pub fn show_ident(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain {
        name.to_owned()
    } else {
        quote_ident(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_spelling_is_always_quoted() {
        assert_eq!(QualifiedName::new("public", "t").sql(), r#""public"."t""#);
        assert_eq!(QualifiedName::new("a.b", "x\"y").sql(), r#""a.b"."x""y""#);
    }

    #[test]
    fn people_see_quotes_only_where_needed() {
        assert_eq!(QualifiedName::new("public", "t1").to_string(), "public.t1");
        assert_eq!(
            QualifiedName::new("public", "We'ird").to_string(),
            r#"public."We'ird""#
        );
        assert_eq!(show_ident("1a"), "\"1a\"");
        assert_eq!(show_ident(""), "\"\"");
    }

    #[test]
    fn lists_stay_lists_of_names_and_are_no_sql() {
        let path = |value| setting_literal("search_path", value);
        assert_eq!(path(r#""$user", public"#), "'$user', 'public'");
        assert_eq!(
            path(r#" "Sch, ema" ,"a""b"," x "  , Mixed"#),
            r#"'Sch, ema', 'a"b', ' x ', 'mixed'"#
        );
        assert_eq!(path(""), "''");
        assert_eq!(path(r#""""#), "''");
        assert_eq!(
            path("public;DROP/**/TABLE/**/t"),
            "'public;drop/**/table/**/t'"
        );
        assert_eq!(setting_literal("DateStyle", "SQL, DMY"), "'SQL', 'DMY'");
        assert_eq!(setting_literal("work_mem", "a, b"), "'a, b'");
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(quote_literal("o'clock"), "'o''clock'");
        assert_eq!(quote_literal(r"a\b'c"), r"E'a\\b''c'");
    }
}
