//! The target's database, with the source's encoding and locale.

use pgl_conn::{Error as ConnError, Session};
use pgl_core::{ServerVersion, quote_ident, quote_literal};
use serde::Deserialize;

/// Encoding and locale of a database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Locale {
    /// `UTF8`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` (libc), `i` (ICU) or `b` (built in).
    pub provider: String,
    /// Locale of the provider; null for libc.
    pub locale: Option<String>,
}

/// Reads them from the source.
///
/// # Errors
/// The server's.
pub fn locale(source: &mut Session) -> Result<Locale, ConnError> {
    let sql = pgl_catalog::sql!(
        source.version(), 150_000 => "database_source_pg94", 170_000 => "database_source_pg15",
        _ => "database_source"
    );
    pgl_catalog::row(source, sql, &[])
}

/// The statement that creates the database.
pub fn create_sql(name: &str, locale: &Locale, target: ServerVersion) -> String {
    let mut sql = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        quote_ident(name),
        quote_literal(&locale.encoding),
        quote_literal(&locale.collate),
        quote_literal(&locale.ctype)
    );
    if target.at_least(15) {
        let provider = match locale.provider.as_str() {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        };
        sql.push_str(&format!(" LOCALE_PROVIDER {provider}"));
        if let Some(its) = &locale.locale {
            let option = if provider == "builtin" {
                "BUILTIN_LOCALE"
            } else {
                "ICU_LOCALE"
            };
            sql.push_str(&format!(" {option} {}", quote_literal(its)));
        }
    }
    sql
}

/// Creates the database from a session on another one of the same server.
///
/// # Errors
/// The server's: not permitted, or a locale that this system does not have.
pub fn create_database(
    maintenance: &mut Session,
    name: &str,
    locale: &Locale,
) -> Result<(), ConnError> {
    let sql = create_sql(name, locale, maintenance.version());
    maintenance.batch(&sql).map_err(|error| {
        let hint = "create it from template0 with a locale of this system that sorts alike";
        let known = error.hint.clone();
        error
            .with_context(format!("creating database {name:?}"))
            .with_hint(known.unwrap_or_else(|| hint.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_and_locale_follow_the_source() {
        let mut locale = Locale {
            encoding: "UTF8".to_owned(),
            collate: "C.UTF-8".to_owned(),
            ctype: "C.UTF-8".to_owned(),
            provider: "c".to_owned(),
            locale: None,
        };
        assert_eq!(
            create_sql("Shop", &locale, ServerVersion(130_000)),
            "CREATE DATABASE \"Shop\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        );
        locale.provider = "i".to_owned();
        locale.locale = Some("de".to_owned());
        assert!(
            create_sql("x", &locale, ServerVersion(170_000))
                .ends_with("LOCALE_PROVIDER icu ICU_LOCALE 'de'")
        );
    }
}
