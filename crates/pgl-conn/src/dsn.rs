//! Adding server settings to a connection string that libpq on another server will read: the
//! `options` of pglogical's provider DSN.
//!
//! The text stays as it was written, with the merged `options` added to it. What was added is
//! checked by reading both texts: they must mean the same but for `options`.

use pgl_core::Side;
use pgl_core::redact::{REDACTED, redact};

use crate::conninfo::{self, Form, write_pair};
use crate::error::{Error, Kind};
use crate::keywords::{Bad, Pairs, get, store};
use crate::options;
use crate::secret::{DsnText, Secret};
use crate::uri;

/// A connection string with settings added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedDsn {
    /// The string for libpq.
    pub text: DsnText,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Adds `-c name=value` for each setting to the `options` of a connection string, behind those
/// that it has already; the server takes the last of equal names. Every form of string is taken:
/// keywords, URI, bare database name.
///
/// # Errors
/// [`Kind::Config`] for a string that libpq would refuse.
pub fn add_options(
    side: Side,
    dsn: &DsnText,
    settings: &[(&str, &str)],
) -> Result<MergedDsn, Error> {
    let text = dsn.expose_str().ok_or_else(|| {
        Error::new(
            side,
            Kind::Config,
            "the connection string is not valid UTF-8",
        )
    })?;
    let (merged, warnings) = merge(text, settings).map_err(|bad| {
        let error = Error::new(side, Kind::Config, bad.message);
        match bad.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    })?;
    Ok(MergedDsn {
        text: DsnText::new(merged),
        warnings,
    })
}

/// What a connection string says of itself, nothing filled in: it may be meant for another machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DsnOutline {
    /// `user`.
    pub user: Option<String>,
    /// `host`, or `hostaddr` where there is no host: names, addresses, socket directories.
    pub hosts: Vec<String>,
    /// `service`: the reader's service file says the rest.
    pub service: Option<String>,
    /// `password` as it is written, to take it out of messages.
    pub password: Option<Secret>,
}

impl DsnOutline {
    /// Reads a connection string of any form.
    ///
    /// # Errors
    /// [`Kind::Config`] for a string that libpq would refuse.
    pub fn read(side: Side, dsn: &DsnText) -> Result<Self, Error> {
        let text = dsn.expose_str().ok_or_else(|| {
            let message = "the connection string is not valid UTF-8";
            Error::new(side, Kind::Config, message)
        })?;
        let pairs =
            conninfo::parse(text).map_err(|bad| Error::new(side, Kind::Config, bad.message))?;
        let some = |name| {
            get(&pairs, name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        Ok(Self {
            user: some("user"),
            hosts: some("host")
                .or_else(|| some("hostaddr"))
                .map(|list| list.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            service: some("service"),
            password: some("password").map(Secret::new),
        })
    }

    /// The text without the password that the connection string holds, in whatever form it is quoted
    /// there, and without anything else that may be one.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(password) = self.password.as_ref().map(Secret::expose) {
            let backslashed = password.replace('\\', "\\\\").replace('\'', "\\'");
            let doubled = password.replace('\'', "''");
            for form in [password, &backslashed, &doubled, &uri::encode(password)] {
                text = text.replace(form, REDACTED);
            }
        }
        redact(&text).into_owned()
    }
}

fn merge(text: &str, settings: &[(&str, &str)]) -> Result<(String, Vec<String>), Bad> {
    let mut expected = conninfo::parse(text)?;
    let mut warnings = Vec::new();
    if get(&expected, "options").is_none() && get(&expected, "service").is_some() {
        warnings.push(
            "options in the service file have no effect beside those of the connection string"
                .to_owned(),
        );
    }
    let options = options::append(get(&expected, "options"), settings);
    store(&mut expected, "options", options.clone());
    let candidates = match conninfo::form(text) {
        Form::Uri => {
            let added = format!("options={}", uri::encode(&options));
            vec![
                format!("{text}?{added}"),
                format!("{text}&{added}"),
                format!("{text}{added}"),
            ]
        }
        Form::Keywords => {
            let added = write_pair("options", &options);
            // Behind a value that is left empty, that ends in a lone backslash, or both.
            let bare = text.strip_suffix('\\').unwrap_or(text);
            vec![
                format!("{text} {added}"),
                format!("{text}'' {added}"),
                format!("{bare} {added}"),
                format!("{bare}'' {added}"),
            ]
        }
        Form::Bare => vec![conninfo::write(&[
            ("dbname", text.to_owned()),
            ("options", options),
        ])],
    };
    let same = |candidate: &String| {
        conninfo::parse(candidate).is_ok_and(|pairs| sorted(pairs) == sorted(expected.clone()))
    };
    match candidates.into_iter().find(same) {
        Some(merged) => Ok((merged, warnings)),
        None => Err(
            Bad::new("options cannot be added to this connection string")
                .hint("write every value in single quotes, or use a URI"),
        ),
    }
}

fn sorted(mut pairs: Pairs) -> Pairs {
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADDED: &[(&str, &str)] = &[("DateStyle", "ISO, MDY"), ("extra_float_digits", "3")];

    #[test]
    fn an_outline_repeats_no_password() {
        let dsn = |text: &str| DsnOutline::read(Side::Source, &DsnText::new(text)).unwrap();
        let keywords = dsn("host=a,b user=repl password=s3cret");
        assert_eq!(keywords.hosts, ["a", "b"]);
        assert_eq!(keywords.user.as_deref(), Some("repl"));
        assert_eq!(keywords.redact("for s3cret"), "for [redacted]");
        let quoted = dsn(r"host=a password='it\'s x'");
        for form in [r"in it's x", r"in it\'s x", "in it''s x", "in it%27s%20x"] {
            assert_eq!(quoted.redact(form), "in [redacted]", "{form}");
        }
        assert!(!format!("{keywords:?}").contains("s3cret"));
        let uri = dsn("postgresql://me:s3cret@h:5/db");
        assert_eq!((uri.user.as_deref(), uri.hosts.len()), (Some("me"), 1));
        assert_eq!(dsn("service=old").service.as_deref(), Some("old"));
        assert_eq!(dsn(""), DsnOutline::default());
    }

    #[test]
    fn every_form() {
        let cases = [
            (
                "host=a",
                r"host=a options='-c DateStyle=ISO,\\ MDY -c extra_float_digits=3'",
            ),
            (
                "",
                r" options='-c DateStyle=ISO,\\ MDY -c extra_float_digits=3'",
            ),
            (
                "host=a password=",
                r"host=a password='' options='-c DateStyle=ISO,\\ MDY -c extra_float_digits=3'",
            ),
            (
                r"password=a\",
                r"password=a options='-c DateStyle=ISO,\\ MDY -c extra_float_digits=3'",
            ),
            (
                "options='-c a=b' host=a",
                r"options='-c a=b' host=a options='-c a=b -c DateStyle=ISO,\\ MDY -c extra_float_digits=3'",
            ),
            (
                "my'db",
                r"dbname='my\'db' options='-c DateStyle=ISO,\\ MDY -c extra_float_digits=3'",
            ),
            (
                "postgresql://h",
                "postgresql://h?options=-c%20DateStyle%3DISO%2C%5C%20MDY%20-c%20extra_float_digits%3D3",
            ),
            (
                "postgresql://u:p%3F@h/db?options=-c%20a%3Db&user=x",
                "postgresql://u:p%3F@h/db?options=-c%20a%3Db&user=x&options=-c%20a%3Db%20-c%20DateStyle%3DISO%2C%5C%20MDY%20-c%20extra_float_digits%3D3",
            ),
            (
                "postgres:///db?",
                "postgres:///db?options=-c%20DateStyle%3DISO%2C%5C%20MDY%20-c%20extra_float_digits%3D3",
            ),
        ];
        for (text, expected) in cases {
            let (merged, warnings) =
                merge(text, ADDED).unwrap_or_else(|bad| panic!("{text}: {bad:?}"));
            assert_eq!(merged, expected, "{text}");
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn a_service_may_be_hidden() {
        let (_, warnings) = merge("service=x", ADDED).expect("merged");
        assert_eq!(warnings.len(), 1);
    }

    proptest! {
        #[test]
        fn what_can_be_read_can_be_extended(text in r"((host|password|options|user) ?= ?('[a \\b]{0,3}'|[ab\\]{0,3}) ){0,3}[\\a=]?") {
            if let Ok(before) = conninfo::parse(&text) {
                let (merged, _) = merge(&text, ADDED).expect("extended");
                let after = conninfo::parse(&merged).expect("readable");
                for (name, value) in &before {
                    if *name != "options" {
                        prop_assert_eq!(get(&after, name), Some(value.as_str()));
                    }
                }
                let options = get(&after, "options").expect("options").to_owned();
                prop_assert!(options.ends_with("-c extra_float_digits=3"));
                prop_assert!(options.starts_with(get(&before, "options").unwrap_or("").trim_end()));
            }
        }

        #[test]
        fn so_can_uris(text in r"postgres://(u(:p%20)?@)?h?(/d)?(\?(user=x)?&?)?") {
            if let Ok(before) = conninfo::parse(&text) {
                let (merged, _) = merge(&text, ADDED).expect("extended");
                let after = conninfo::parse(&merged).expect("readable");
                prop_assert_eq!(after.len(), before.len() + 1);
            }
        }
    }
}
