//! Connection URIs, `postgresql://user:password@host:port,host:port/dbname?keyword=value`.
//!
//! libpq's reading, which is not that of RFC 3986: the part before the first `@` is the login
//! only when no `/` comes before it, several hosts are allowed, and a host may be a
//! percent-encoded socket directory.

use crate::keywords::{self, Bad, Pairs, store, unknown};

const ENCODE_HINT: &str =
    "inside a user name or password write @ as %40, / as %2F, : as %3A, ? as %3F and % as %25";

pub(crate) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
}

pub(crate) fn parse(text: &str) -> Result<Pairs, Bad> {
    let mut pairs = Pairs::new();
    let mut rest = strip_scheme(text).unwrap_or(text);
    if let Some(end) = rest.find(['@', '/'])
        && rest[end..].starts_with('@')
    {
        let login = &rest[..end];
        rest = &rest[end + 1..];
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, password),
            None => (login, ""),
        };
        for (name, value) in [("user", user), ("password", password)] {
            if !value.is_empty() {
                store(&mut pairs, name, decode(value)?);
            }
        }
    }
    let rest = hosts(rest, &mut pairs)?;
    let query = match rest.strip_prefix('/') {
        Some(path) => {
            let (dbname, query) = match path.split_once('?') {
                Some((dbname, query)) => (dbname, Some(query)),
                None => (path, None),
            };
            // An empty name would hide PGDATABASE.
            if !dbname.is_empty() {
                store(&mut pairs, "dbname", decode(dbname)?);
            }
            query
        }
        None => rest.strip_prefix('?'),
    };
    if let Some(query) = query {
        parameters(query, &mut pairs)?;
    }
    Ok(pairs)
}

/// Reads `host[:port]{,host[:port]}`; gives back what follows.
fn hosts<'a>(mut rest: &'a str, pairs: &mut Pairs) -> Result<&'a str, Bad> {
    let mut hosts = String::new();
    let mut ports = String::new();
    loop {
        let host;
        if let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = inner.find(']') else {
                return Err(Bad::new(
                    "no \"]\" after the IPv6 address in the connection URI",
                ));
            };
            if end == 0 {
                return Err(Bad::new("empty IPv6 address in the connection URI"));
            }
            host = &inner[..end];
            rest = &inner[end + 1..];
            if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) {
                return Err(Bad::new(
                    "the IPv6 address in the connection URI is followed by something other than a port, \"/\", \"?\" or \",\"",
                ));
            }
        } else {
            let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
            host = &rest[..end];
            rest = &rest[end..];
            if host.contains('@') {
                // Most likely the tail of a password: it must not reach a resolver or a message.
                return Err(
                    Bad::new("more than one \"@\" before the host in the connection URI")
                        .hint(ENCODE_HINT),
                );
            }
        }
        hosts.push_str(host);
        if let Some(after) = rest.strip_prefix(':') {
            let end = after.find(['/', '?', ',']).unwrap_or(after.len());
            ports.push_str(&after[..end]);
            rest = &after[end..];
        }
        let Some(after) = rest.strip_prefix(',') else {
            break;
        };
        hosts.push(',');
        ports.push(',');
        rest = after;
    }
    let ports = decode(&ports)?;
    if ports
        .chars()
        .any(|c| !c.is_ascii_digit() && c != ',' && !c.is_ascii_whitespace())
    {
        return Err(Bad::new("invalid port number in the connection URI").hint(ENCODE_HINT));
    }
    for (name, value) in [("host", decode(&hosts)?), ("port", ports)] {
        if !value.is_empty() {
            store(pairs, name, value);
        }
    }
    Ok(rest)
}

fn parameters(query: &str, pairs: &mut Pairs) -> Result<(), Bad> {
    let mut after_secret = false;
    if query.is_empty() {
        return Ok(());
    }
    // libpq reads a closing "&" as the end.
    let query = query.strip_suffix('&').unwrap_or(query);
    for parameter in query.split('&') {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err(
                Bad::new("a parameter of the connection URI has no \"=\"").hint(ENCODE_HINT)
            );
        };
        if value.contains('=') {
            return Err(
                Bad::new("a parameter of the connection URI has a second \"=\"")
                    .hint("inside a value write = as %3D"),
            );
        }
        let (name, value) = (decode(name)?, decode(value)?);
        if name == "ssl" && value == "true" {
            // The JDBC spelling, which libpq knows too.
            store(pairs, "sslmode", "require".to_owned());
            continue;
        }
        let keyword = keywords::find(&name).ok_or_else(|| unknown(&name, after_secret))?;
        after_secret = keywords::is_secret(keyword.name);
        store(pairs, keyword.name, value);
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, Bad> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(0), Some(0)) => {
                return Err(Bad::new("%00 is not allowed in a connection URI"));
            }
            (Some(high), Some(low)) => bytes.push((high << 4 | low) as u8),
            _ => {
                return Err(
                    Bad::new("\"%\" without two hexadecimal digits in the connection URI")
                        .hint(ENCODE_HINT),
                );
            }
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| Bad::new("the connection URI is not valid UTF-8 once decoded"))
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uris() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("postgresql://", &[]),
            ("postgres://h", &[("host", "h")]),
            (
                "postgresql:///db?password=a@b",
                &[("dbname", "db"), ("password", "a@b")],
            ),
            (
                "postgresql://u@h:5/db",
                &[
                    ("user", "u"),
                    ("host", "h"),
                    ("port", "5"),
                    ("dbname", "db"),
                ],
            ),
            (
                "postgresql://u:p%40%2F@h",
                &[("user", "u"), ("password", "p@/"), ("host", "h")],
            ),
            ("postgresql://:pw@h", &[("password", "pw"), ("host", "h")]),
            ("postgresql://[::1]:7/", &[("host", "::1"), ("port", "7")]),
            (
                "postgresql://a:1,[::2]:2,c/db",
                &[("host", "a,::2,c"), ("port", "1,2,"), ("dbname", "db")],
            ),
            (
                "postgresql://%2Fvar%2Frun/db",
                &[("host", "/var/run"), ("dbname", "db")],
            ),
            (
                "postgresql:///?host=/tmp&port=6",
                &[("host", "/tmp"), ("port", "6")],
            ),
            (
                "postgresql://h?ssl=true",
                &[("host", "h"), ("sslmode", "require")],
            ),
            (
                "postgresql:///db?options=-c%20a%3Db&",
                &[("dbname", "db"), ("options", "-c a=b")],
            ),
            // libpq looks for the login up to the first "/", past any "?".
            (
                "postgresql://h?user=a@b",
                &[("user", "h?user=a"), ("host", "b")],
            ),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(n, v)| (*n, (*v).to_owned()))
                .collect();
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for text in [
            "postgresql://u:ca@nary@h/db",
            "postgresql://u:canary/x@h/db",
            "postgresql://u:canary%zz@h/db",
            "postgresql:///db?canary",
            "postgresql:///db?password=a=canary",
            "postgresql:///db?password=a&canary=b",
            "postgresql:///db?password=%00canary",
            "postgresql://[::1",
            "postgresql://[]",
            "postgresql://[::1]x",
            "postgresql:///db?user=%ff",
            "postgresql:///db?&user=x",
            "postgresql:///db?&",
        ] {
            let bad = parse(text).expect_err(text);
            assert!(!bad.message.contains("canary"), "{text}: {}", bad.message);
            assert!(!bad.message.contains("nary"), "{text}: {}", bad.message);
        }
        let bad = parse("postgresql:///db?hots=b").expect_err("unknown");
        assert!(bad.message.contains("\"hots\""));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = parse(&format!("postgresql://{text}"));
        }

        #[test]
        fn never_panics_near_the_grammar(text in r"(\[|\]|host|%4|[0-9/:@?&=,%]){0,24}") {
            let _ = parse(&format!("postgresql://{text}"));
        }

        #[test]
        fn what_is_encoded_is_read(user in "[^\0]+", password in "[^\0]+", db in "[^\0]+", options in "[^\0]*") {
            let text = format!(
                "postgresql://{}:{}@h/{}?options={}",
                encode(&user), encode(&password), encode(&db), encode(&options),
            );
            let expected = vec![
                ("user", user), ("password", password), ("host", "h".to_owned()),
                ("dbname", db), ("options", options),
            ];
            prop_assert_eq!(parse(&text), Ok(expected));
        }
    }
}
