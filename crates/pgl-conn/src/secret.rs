//! Texts that must not be shown: passwords, and connection strings that may hold one.

use std::ffi::{OsStr, OsString};
use std::fmt;

use bytes::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};

const SHOWN: &str = "[redacted]";

/// A password. It has no Display and no serialisation, and its Debug shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a password in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the login only.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

/// A connection string as somebody wrote it. It may hold a password, so it has no Display and no
/// serialisation, and its Debug shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct DsnText(OsString);

impl DsnText {
    /// Takes a connection string in, unread.
    pub fn new(text: impl Into<OsString>) -> Self {
        Self(text.into())
    }

    /// The text, to be handed to pglogical unchanged and to nothing else.
    pub fn expose(&self) -> &OsStr {
        &self.0
    }

    /// The text where it is valid Unicode, as a query parameter must be.
    pub fn expose_str(&self) -> Option<&str> {
        self.0.to_str()
    }
}

/// As a parameter of type text: the way into `pglogical.create_subscription` that leaves no trace in
/// a log of ours.
impl ToSql for DsnText {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let text = self
            .expose_str()
            .ok_or("the connection string is not valid UTF-8")?;
        text.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

impl fmt::Debug for DsnText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("canary")), SHOWN);
        assert_eq!(
            format!("{:?}", Some(DsnText::new("password=canary"))),
            format!("Some({SHOWN})")
        );
    }
}
