//! Taking passwords out of texts that are shown or stored: what a server reports, lines of its log,
//! arguments that are repeated in an error.
//!
//! pglogical repeats a whole connection string in its errors ("dsn was: …"), and the context of an
//! error may quote the statement that failed. What follows a password's keyword is cut off rather
//! than parsed, because it may be quoted in any way and to any depth: the end of the text is the only
//! end of a password that is certain.

use std::borrow::Cow;

/// What is written in place of what was cut.
pub const REDACTED: &str = "[redacted]";

/// Words before a secret, in lower case. The longest spelling of each stands in a shorter one's
/// matches: `sslpassword` and `pgpassword` end in `password`.
const KEYWORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "scram_client_key",
    "scram_server_key",
];

/// Texts directly before a connection string.
const DSN: &str = "dsn was:";

/// Beginnings of a stored password.
const VERIFIERS: &[&str] = &["scram-sha-256$"];

/// The text up to the first thing that may be a password, with a mark where it was cut.
pub fn redact(text: &str) -> Cow<'_, str> {
    let view = View::of(text);
    let found = [
        keyword(&view),
        dsn(&view),
        uri(&view),
        VERIFIERS.iter().filter_map(|mark| view.find(mark, 0)).min(),
    ];
    match found.into_iter().flatten().min() {
        Some(at) => Cow::Owned(format!("{}{REDACTED}", &text[..view.offset(at)])),
        None => Cow::Borrowed(text),
    }
}

/// The text in lower case with percent-encoded ASCII decoded, as libpq reads a URI, and where each
/// character begins in the text itself.
struct View {
    chars: Vec<char>,
    offsets: Vec<usize>,
    length: usize,
}

impl View {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut view = Self {
            chars: Vec::with_capacity(text.len()),
            offsets: Vec::with_capacity(text.len()),
            length: text.len(),
        };
        let mut skip = 0;
        for (at, c) in text.char_indices() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let decoded = (c == '%')
                .then(|| bytes.get(at + 1..at + 3))
                .flatten()
                .and_then(|two| std::str::from_utf8(two).ok())
                .and_then(|two| u8::from_str_radix(two, 16).ok())
                .filter(u8::is_ascii);
            let c = match decoded {
                Some(byte) => {
                    skip = 2;
                    char::from(byte)
                }
                None => c,
            };
            view.chars.push(c.to_ascii_lowercase());
            view.offsets.push(at);
        }
        view
    }

    fn offset(&self, at: usize) -> usize {
        self.offsets.get(at).copied().unwrap_or(self.length)
    }

    fn starts(&self, at: usize, with: &str) -> bool {
        let mut rest = self.chars[at.min(self.chars.len())..].iter().copied();
        with.chars().all(|c| rest.next() == Some(c))
    }

    fn find(&self, what: &str, from: usize) -> Option<usize> {
        (from..self.chars.len()).find(|at| self.starts(*at, what))
    }

    fn skip(&self, from: usize, which: impl Fn(char) -> bool) -> usize {
        (from..self.chars.len())
            .find(|at| !which(self.chars[*at]))
            .unwrap_or(self.chars.len())
    }
}

/// Where the first value behind a password's keyword begins.
fn keyword(view: &View) -> Option<usize> {
    (0..view.chars.len()).find_map(|at| {
        let word = KEYWORDS.iter().find(|word| view.starts(at, word))?;
        value(view, at + word.len())
    })
}

/// Where the value begins, if one follows: `=x`, `: x`, `'x'`, `E'x'`, `$$x$$`, `" = x`, `"=>"x`.
fn value(view: &View, from: usize) -> Option<usize> {
    // The rest of a longer name (`password_2`), the end of its own quotes or brackets.
    let named = view.skip(from, |c| c.is_alphanumeric() || c == '_' || c == '-');
    let mut at = view.skip(named, |c| "\"`\\)]}".contains(c));
    // Space and comments.
    loop {
        at = view.skip(at, char::is_whitespace);
        let end = if view.starts(at, "/*") {
            view.find("*/", at).map_or(view.chars.len(), |end| end + 2)
        } else if view.starts(at, "--") {
            view.skip(at, |c| c != '\n')
        } else {
            break;
        };
        at = end;
    }
    let next = *view.chars.get(at)?;
    if next == '=' || next == ':' {
        return Some(view.skip(at, |c| "=:>".contains(c)));
    }
    let quote = |c: char| "'\"$\\".contains(c);
    // E'x', N'x', B'x', X'x', U&'x'.
    let prefixed = "enbxu".contains(next) && {
        let after = view.skip(at + 1, |c| c == '&');
        view.chars.get(after).is_some_and(|c| quote(*c))
    };
    (quote(next) || prefixed).then_some(at)
}

/// Where a repeated connection string begins. One without a password is worth reading.
fn dsn(view: &View) -> Option<usize> {
    let at = view.find(DSN, 0)? + DSN.chars().count();
    let at = view.skip(at, char::is_whitespace);
    let harmful = ["pass", "key", "secret", "://"]
        .iter()
        .any(|sign| view.find(sign, at).is_some());
    harmful.then_some(at)
}

/// Where the password of a URI with user and password begins.
fn uri(view: &View) -> Option<usize> {
    let at = view.find("://", 0)? + 3;
    // A colon behind the authority may belong to something else, but a user may hold anything.
    let colon = view.find(":", at)?;
    view.find("@", colon).is_some().then_some(colon + 1)
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
            ("PGPASSWORD=canary psql", "PGPASSWORD=[redacted]"),
            ("host=h passwd=canary", "host=h passwd=[redacted]"),
            ("password='it\\'s canary'", "password=[redacted]"),
            (
                "ALTER ROLE x PASSWORD 'canary'",
                "ALTER ROLE x PASSWORD [redacted]",
            ),
            (
                "ALTER ROLE x PASSWORD E'ca\\'nary'",
                "ALTER ROLE x PASSWORD [redacted]",
            ),
            (
                "ALTER ROLE x PASSWORD U&'canary'",
                "ALTER ROLE x PASSWORD [redacted]",
            ),
            (
                "ALTER ROLE x PASSWORD/* x */$a$canary$a$",
                "ALTER ROLE x PASSWORD/* x */[redacted]",
            ),
            (
                "OPTIONS (user 'u', password 'canary')",
                "OPTIONS (user 'u', password [redacted]",
            ),
            ("{\"password\": \"canary\"}", "{\"password\":[redacted]"),
            ("Key (rolpassword)=(canary)", "Key (rolpassword)=[redacted]"),
            ("in postgres://u:can@ary@h/db", "in postgres://u:[redacted]"),
            ("in postgres://h:5432/db", "in postgres://h:5432/db"),
            (
                "postgresql://h/db?pass%77ord%3Dcanary",
                "postgresql://h/db?pass%77ord%3D[redacted]",
            ),
            (
                "oauth_client_secret=canary",
                "oauth_client_secret=[redacted]",
            ),
            (
                "rolpassword SCRAM-SHA-256$4096:canary",
                "rolpassword [redacted]",
            ),
            (
                "password authentication failed: password=canary",
                "password authentication failed: password=[redacted]",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected, "{text}");
            assert_eq!(redact(&redact(text)), expected, "twice: {text}");
        }
    }

    #[test]
    fn messages_without_a_password_stay() {
        for text in [
            "password authentication failed for user \"x\"",
            "fe_sendauth: no password supplied",
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  no pg_hba.conf entry",
            "column \"password\" of relation \"users\" does not exist",
            "password_encryption is scram",
            "put it into the passfile (~/.pgpass, mode 0600), a service file or PGPASSWORD",
            "see https://www.postgresql.org/docs/ for more",
            "100%",
            "ünïcödé %zz %",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    /// Keywords as libpq, SQL, foreign data wrappers and URIs spell them.
    fn words() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "password",
            "passwd",
            "sslpassword",
            "pgpassword",
            "PASSWORD",
            "ENCRYPTED PASSWORD",
            "passphrase",
            "oauth_client_secret",
            "pass%77ord",
            "%70assword",
            "scram_client_key",
        ]);
        (word, any::<u64>()).prop_map(|(word, upper)| {
            let flip = |(n, c): (usize, char)| {
                if upper >> (n % 64) & 1 == 1 {
                    c.to_ascii_uppercase()
                } else {
                    c
                }
            };
            word.chars().enumerate().map(flip).collect()
        })
    }

    /// The canary in every form of quotes, behind every form of separator.
    fn values() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "=canary",
            " = canary",
            "='canary'",
            "='it\\'s canary'",
            "='it''s canary'",
            "= \"canary\"",
            " 'canary'",
            " E'c\\'canary'",
            " e'canary'",
            " N'canary'",
            " U&'canary'",
            " $$canary$$",
            " $tag$canary$tag$",
            "\t'canary'",
            "\n'canary'",
            " /* c */ 'canary'",
            " -- c\n 'canary'",
            "%3Dcanary",
            "%3D%27canary%27",
            ": canary",
            "\": \"canary\"",
            "\"=>\"canary\"",
            "' = 'canary'",
            ":=canary",
            "\\'canary\\'",
            " \\'canary\\'",
            " \\\"canary\\\"",
            ")=(canary)",
        ])
        .prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn no_form_of_quotes_gets_through(before in ".{0,20}", word in words(), value in values(), after in ".{0,20}") {
            let text = format!("{before}{word}{value}{after}");
            let out = redact(&text);
            prop_assert!(!out.contains("canary"), "{text:?} became {out:?}");
            prop_assert!(text.starts_with(out.strip_suffix(REDACTED).unwrap_or("?")));
        }

        #[test]
        fn nor_does_any_uri(before in ".{0,10}", user in "[^:@/ ]{0,5}", extra in "[a-z@/?%']{0,5}", after in ".{0,10}") {
            for scheme in ["postgres", "postgresql", "POSTGRESQL", "x"] {
                let text = format!("{before}{scheme}://{user}:{extra}canary@h/db{after}");
                prop_assert!(!redact(&text).contains("canary"), "{}", text);
            }
        }

        #[test]
        fn any_text_is_cut_at_a_character(text in ".{0,60}") {
            let out = redact(&text);
            let kept = out.strip_suffix(REDACTED).unwrap_or(&out);
            prop_assert!(text.starts_with(kept));
        }
    }
}
