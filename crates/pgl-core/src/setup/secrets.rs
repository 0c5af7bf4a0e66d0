//! Values in the schema's statements that nobody else is to see: options of foreign-data wrappers, servers, user
//! mappings and foreign tables may be passwords and tokens. Which option is one, only the wrapper knows: every value is
//! hidden but those of options that are known to hold none.

/// What stands for a value.
pub const HIDDEN: &str = "'***'";

/// Options and keywords whose values are shown.
const SHOWN: &[&str] = &[
    "type",
    "version",
    "user",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "schema_name",
    "table_name",
    "column_name",
    "fetch_size",
    "batch_size",
    "use_remote_estimate",
    "updatable",
    "truncatable",
    "async_capable",
    "sslmode",
    "extensions",
    "format",
    "header",
    "delimiter",
    "encoding",
];

/// Whether statements of this kind have such options.
pub fn has_options(kind: &str) -> bool {
    matches!(
        kind,
        "USER MAPPING" | "SERVER" | "FOREIGN DATA WRAPPER" | "FOREIGN TABLE"
    )
}

/// The statement with its values hidden; none where nothing had to be.
pub fn redacted(kind: &str, sql: &str) -> Option<String> {
    if !has_options(kind) {
        return None;
    }
    let mut out = String::with_capacity(sql.len());
    let mut hid = false;
    let mut word = String::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        match c {
            '\'' => {
                // E'…': a backslash takes the next character along.
                let escapes = word == "e" && !out.ends_with(char::is_whitespace);
                let end = literal_end(rest, escapes);
                if SHOWN.contains(&word.as_str()) {
                    out.push_str(&rest[..end]);
                } else {
                    out.push_str(HIDDEN);
                    hid = true;
                }
                rest = &rest[end..];
            }
            '"' => {
                let end = quoted_end(rest);
                word = rest[1..end].trim_end_matches('"').to_lowercase();
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            c if c.is_alphanumeric() || c == '_' => {
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                word = rest[..end].to_lowercase();
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            other => {
                out.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    hid.then_some(out)
}

/// Where a literal ends that `text` begins with.
fn literal_end(text: &str, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => drop(chars.next()),
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => drop(chars.next()),
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where a quoted name ends that `text` begins with.
fn quoted_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '"' {
            if chars.peek().is_some_and(|(_, next)| *next == '"') {
                chars.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_but_those_that_are_known_to_be_harmless() {
        let mapping = "CREATE USER MAPPING FOR app SERVER s OPTIONS (\n    \"user\" 'me',\n    password 'it''s s3cret'\n);\n";
        assert_eq!(
            redacted("USER MAPPING", mapping).unwrap(),
            "CREATE USER MAPPING FOR app SERVER s OPTIONS (\n    \"user\" 'me',\n    password '***'\n);\n"
        );
        let server = "CREATE SERVER s TYPE 'x' FOREIGN DATA WRAPPER w OPTIONS (host 'h', token E'a\\'s3cret');";
        let hidden = redacted("SERVER", server).unwrap();
        assert!(
            !hidden.contains("s3cret") && hidden.contains("host 'h'"),
            "{hidden}"
        );
    }

    #[test]
    fn no_form_of_quoting_lets_a_value_through() {
        for name in [
            "password",
            "\"PassWord\"",
            "secret_key",
            "passfile",
            "\"a\"\"b\"",
            // Its second half is a name that holds no secret; a name that is a quote.
            "\"a\"\"host\"",
            "\"\"\"\"",
            "e",
        ] {
            for value in [
                "'s3cret'",
                "'a''s3cret'",
                "'s3cret\\'",
                "E's3cret\\\\'",
                "E'\\'s3cret'",
                "'(s3cret)'",
                "'\"s3cret'",
                "'-- s3cret'",
            ] {
                for kind in [
                    "USER MAPPING",
                    "SERVER",
                    "FOREIGN DATA WRAPPER",
                    "FOREIGN TABLE",
                ] {
                    let sql = format!("CREATE x OPTIONS ({name} {value}, host 'h');");
                    let shown = redacted(kind, &sql).unwrap();
                    assert!(
                        !shown.contains("s3cret") && shown.ends_with("host 'h');"),
                        "{sql}: {shown}"
                    );
                }
            }
        }
    }

    #[test]
    fn other_kinds_and_statements_without_values_stay() {
        assert_eq!(redacted("FUNCTION", "SELECT 'password'"), None);
        assert_eq!(
            redacted("SERVER", "CREATE SERVER s FOREIGN DATA WRAPPER w;"),
            None
        );
    }
}
