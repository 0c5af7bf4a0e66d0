//! Databases, encodings and collations.

use serde::{Deserialize, Serialize};

/// One row of `pg_database`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseInfo {
    /// Name.
    pub name: String,
    /// Whether it is a template.
    pub template: bool,
    /// Whether it takes connections.
    pub allow_connections: bool,
    /// Connection limit; -1 for none, -2 for a database that a failed DROP left behind.
    pub connection_limit: i32,
    /// Encoding: `UTF8`.
    pub encoding: String,
    /// LC_COLLATE.
    pub collate: String,
    /// LC_CTYPE.
    pub ctype: String,
    /// `c` libc, `i` ICU, `b` built in; `c` before 15.
    pub provider: String,
    /// ICU or built-in locale (15+).
    pub locale: Option<String>,
    /// Version of the collation library when the database was made (15+).
    pub collation_version: Option<String>,
    /// The library's version now; of the connected database only (15+).
    pub actual_version: Option<String>,
    /// Age of the oldest unfrozen transaction id.
    pub xid_age: i64,
    /// Age of the oldest multixact id; null before 9.5.
    pub multixact_age: Option<i64>,
}

impl DatabaseInfo {
    /// What the locales of both differ in.
    pub fn locale_differences(&self, other: &Self) -> Vec<String> {
        let provider = |letter: &str| match letter {
            "i" => "ICU".to_owned(),
            "b" => "built-in".to_owned(),
            _ => "libc".to_owned(),
        };
        let of = |one: &Self| {
            [
                ("provider", provider(&one.provider)),
                ("LC_COLLATE", plain(&one.collate)),
                ("LC_CTYPE", plain(&one.ctype)),
                ("locale", one.locale.clone().unwrap_or_default()),
            ]
        };
        let pairs = of(self).into_iter().zip(of(other));
        pairs
            .filter(|(one, two)| one != two)
            .map(|((what, one), (_, two))| format!("{what} {one:?} and {two:?}"))
            .collect()
    }
}

/// `de_DE.UTF-8` and `de_DE.utf8` are the same to the C library, and so are C and POSIX.
pub(crate) fn plain(locale: &str) -> String {
    match locale.to_ascii_lowercase().replace("utf-8", "utf8") {
        posix if posix == "posix" => "c".to_owned(),
        other => other,
    }
}

/// A collation that the database's columns or indexes use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollationUse {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Version of the library when the collation was made (10+).
    pub version: Option<String>,
    /// The library's version now (10+).
    pub actual_version: Option<String>,
    /// One column that uses it.
    pub example: String,
}
