//! Taking passwords out of what a server says.
//!
//! pglogical repeats a whole connection string in its errors ("dsn was: …"), and the context of an
//! error may quote the statement that failed. What follows a password's keyword is cut off
//! rather than parsed: it may be quoted in any depth.

use std::borrow::Cow;

const CUT: &str = "[redacted]";

/// What stands directly before a connection string or a password.
const MARKS: &[&str] = &[
    "dsn was:",
    "password",
    "passwd",
    "scram_client_key",
    "scram_server_key",
];

/// The text up to the first thing that may be a password, with a mark where it was cut. For texts of
/// servers that do not come as an [`crate::Error`], which is clean already.
pub fn scrub(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let keywords = MARKS.iter().filter_map(|mark| {
        lower.match_indices(mark).find_map(|(at, _)| {
            let rest = &lower[at + mark.len()..];
            let skipped = rest.len() - rest.trim_start().len();
            let rest = &rest[skipped..];
            let end = at + mark.len() + skipped;
            if mark.ends_with(':') {
                // One without a password is worth reading.
                (harmless(rest) == Harmless::No).then_some(end)
            } else if rest.starts_with('=') {
                Some(end + 1)
            } else {
                // PASSWORD 'secret', as in CREATE ROLE.
                rest.starts_with(['\'', '$']).then_some(end)
            }
        })
    });
    let uris = ["postgresql://", "postgres://"]
        .into_iter()
        .filter_map(|scheme| {
            lower.match_indices(scheme).find_map(|(at, _)| {
                let start = at + scheme.len();
                let colon = start + lower[start..].find(':')?;
                lower[colon..].contains('@').then_some(colon + 1)
            })
        });
    match keywords.chain(uris).min() {
        Some(end) => Cow::Owned(format!("{}{CUT}", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[derive(PartialEq, Eq)]
enum Harmless {
    Yes,
    No,
}

/// Whether a connection string in lower case holds no password, as far as its words tell.
fn harmless(dsn: &str) -> Harmless {
    let suspicious = dsn.contains("pass") || dsn.contains("key") || dsn.contains("://");
    if suspicious {
        Harmless::No
    } else {
        Harmless::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_are_cut_off() {
        let cases = [
            (
                "dsn was: host=h port=5 password='it''s canary' user=u",
                "dsn was: [redacted]",
            ),
            ("dsn was: host=h user=u", "dsn was: host=h user=u"),
            (
                "could not parse \"host=h PassWord = 'canary'\"",
                "could not parse \"host=h PassWord =[redacted]",
            ),
            ("sslpassword=canary", "sslpassword=[redacted]"),
            (
                "SQL statement \"ALTER ROLE x PASSWORD 'canary'\"",
                "SQL statement \"ALTER ROLE x PASSWORD [redacted]",
            ),
            ("in postgres://u:can@ary@h/db", "in postgres://u:[redacted]"),
            ("in postgres://h:5432/db", "in postgres://h:5432/db"),
            (
                "password authentication failed for user \"x\"",
                "password authentication failed for user \"x\"",
            ),
            (
                "password authentication failed: password=canary",
                "password authentication failed: password=[redacted]",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(scrub(text), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_behind_the_keyword_is_left(before in ".{0,20}", after in ".{0,20}") {
            let text = format!("{before}password=canary{after}");
            let scrubbed = scrub(&text);
            prop_assert!(!scrubbed.contains("canary"));
            prop_assert!(text.starts_with(scrubbed.strip_suffix(CUT).unwrap_or("?")));
        }
    }
}
