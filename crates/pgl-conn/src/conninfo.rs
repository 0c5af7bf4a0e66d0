//! Reading and writing connection strings: `keyword=value` lists, URIs, a bare database name.
//! The rules are libpq's. No message repeats a part of the text that may belong to a password.

use crate::keywords::{self, Bad, Pairs, QUOTE_HINT, store, unknown};
use crate::uri;

/// The three forms of a connection string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Uri,
    Keywords,
    /// Anything without `=`: psql and pg_dump take it as a database name.
    Bare,
}

pub(crate) fn form(text: &str) -> Form {
    if uri::strip_scheme(text).is_some() {
        Form::Uri
    } else if text.contains('=') || text.trim().is_empty() {
        Form::Keywords
    } else {
        Form::Bare
    }
}

pub(crate) fn parse(text: &str) -> Result<Pairs, Bad> {
    match form(text) {
        Form::Uri => uri::parse(text),
        Form::Keywords => parse_keywords(text),
        Form::Bare => Ok(vec![("dbname", text.to_owned())]),
    }
}

/// libpq's isspace(): ASCII only.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

pub(crate) fn parse_keywords(text: &str) -> Result<Pairs, Bad> {
    let mut pairs = Pairs::new();
    // After an unquoted password the next word may be the rest of it, so it is not repeated.
    let mut after_secret = false;
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| is_space(*c)).is_some() {}
        if chars.peek().is_none() {
            return Ok(pairs);
        }
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !is_space(*c)) {
            name.push(c);
        }
        while chars.next_if(|c| is_space(*c)).is_some() {}
        if chars.next() != Some('=') {
            return Err(Bad::new(format!(
                "missing \"=\" after word {} of the connection string",
                pairs.len() + 1
            ))
            .hint(QUOTE_HINT));
        }
        while chars.next_if(|c| is_space(*c)).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.peek().copied() {
                None if quoted => {
                    return Err(
                        Bad::new("unterminated quoted value in the connection string")
                            .hint(QUOTE_HINT),
                    );
                }
                None => break,
                Some('\'') if quoted => {
                    chars.next();
                    break;
                }
                Some(c) if !quoted && is_space(c) => break,
                Some('\\') => {
                    chars.next();
                    // A backslash at the very end stands for nothing.
                    value.extend(chars.next());
                }
                Some(c) => {
                    chars.next();
                    value.push(c);
                }
            }
        }
        let Some(keyword) = keywords::find(&name) else {
            return Err(unknown(&name, after_secret));
        };
        after_secret = !quoted && keywords::is_secret(keyword.name);
        store(&mut pairs, keyword.name, value);
    }
}

/// One `keyword='value'`, quoted so that any value survives.
pub(crate) fn write_pair(name: &str, value: &str) -> String {
    format!(
        "{name}='{}'",
        value.replace('\\', "\\\\").replace('\'', "\\'")
    )
}

/// A `keyword='value'` list.
pub(crate) fn write(pairs: &[(&str, String)]) -> String {
    let parts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| write_pair(name, value))
        .collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Vec<(&'static str, String)> {
        parse(text).unwrap_or_else(|bad| panic!("{text}: {}", bad.message))
    }

    #[test]
    fn keyword_lists() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("  \t\n", &[]),
            ("host=a", &[("host", "a")]),
            (" host = a port\n=\n5 ", &[("host", "a"), ("port", "5")]),
            ("host='a b'port=5", &[("host", "a b"), ("port", "5")]),
            (r"password=\'a\ b\\", &[("password", r"'a b\")]),
            (r"password='it\'s \\'", &[("password", r"it's \")]),
            ("password= dbname=x", &[("password", "dbname=x")]),
            ("dbname=x password=", &[("dbname", "x"), ("password", "")]),
            ("password='' dbname=x", &[("password", ""), ("dbname", "x")]),
            ("host=a host=b", &[("host", "b")]),
            ("host=a\\", &[("host", "a")]),
            ("mydb", &[("dbname", "mydb")]),
            ("my db", &[("dbname", "my db")]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(n, v)| (*n, (*v).to_owned()))
                .collect();
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        let cases = [
            ("host a=b", "missing \"=\" after word 1"),
            ("host=a canary user=b", "missing \"=\" after word 2"),
            ("host='a", "unterminated quoted value"),
            ("hots=a", "unknown keyword \"hots\""),
            ("=a", "unknown keyword \"\""),
            (
                "password=my canary=x",
                "unknown keyword follows the password",
            ),
        ];
        for (text, expected) in cases {
            let bad = parse(text).expect_err(text);
            assert!(bad.message.contains(expected), "{text}: {}", bad.message);
            assert!(!bad.message.contains("canary"), "{}", bad.message);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_near_the_grammar(text in r"(host|port|password|[ ='\\a,]){0,24}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec(".*", 0..6)) {
            let names = ["host", "user", "password", "dbname", "options", "sslcert"];
            let pairs: Vec<(&'static str, String)> =
                names.into_iter().zip(values.into_iter().map(|v| v.replace('\0', ""))).collect();
            prop_assert_eq!(parse_keywords(&write(&pairs)), Ok(pairs));
        }
    }
}
