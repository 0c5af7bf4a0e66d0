//! The condition of `--where`. It is evaluated on each side, at different moments and in many sessions: it has to follow from the
//! row alone, and it has to stay one expression wherever it is put.

use std::iter::Peekable;
use std::str::Chars;

use crate::QualifiedName;

/// Words of SQL that stand for a value of the moment or the session.
const VALUES: &[&str] = &[
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "user",
];

/// Functions whose result depends on the moment or the session.
const FUNCTIONS: &[&str] = &[
    "clock_timestamp",
    "current_database",
    "current_schemas",
    "current_setting",
    "currval",
    "gen_random_uuid",
    "lastval",
    "nextval",
    "now",
    "pg_backend_pid",
    "random",
    "random_normal",
    "set_config",
    "setval",
    "statement_timestamp",
    "timeofday",
    "transaction_timestamp",
    "uuidv4",
    "uuidv7",
    "version",
];

/// Likewise, all that begin so.
const FUNCTION_PREFIXES: &[&str] = &["inet_client_", "inet_server_", "pg_current_", "txid_"];

/// Functions of `pg_catalog` that are not IMMUTABLE only because of settings that every session of ours has alike (`TimeZone`,
/// `DateStyle`), or of types that a condition on plain values does not use. None of them is VOLATILE.
const PINNED: &[&str] = &[
    "age",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "date",
    "date_add",
    "date_bin",
    "date_part",
    "date_subtract",
    "date_trunc",
    "extract",
    "format",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "make_timestamptz",
    "overlaps",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_timestamp",
];

/// Texts that become a date or time of the moment.
const MOMENTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];

/// Columns of every table; no other column can have such a name, quoted or not.
const SYSTEM_COLUMNS: &[&str] = &["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// Without one of these there is no subquery; each WITH ends in one.
const QUERIES: &[&str] = &["select", "table", "values"];

/// What a condition is made of, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A keyword or a name, in lower case.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text.
    Text(String),
    Other(char),
}

/// Why a condition cannot be compared by; nothing where it can.
pub fn refuse(condition: &str) -> Option<String> {
    let tokens = match tokens(condition) {
        Ok(tokens) => tokens,
        Err(why) => return Some(why),
    };
    let mut depth = 0_u32;
    for (at, token) in tokens.iter().enumerate() {
        let called = tokens.get(at + 1) == Some(&Token::Other('('));
        let why = match token {
            Token::Other('(') => {
                depth += 1;
                None
            }
            Token::Other(')') => match depth.checked_sub(1) {
                Some(less) => {
                    depth = less;
                    None
                }
                None => Some("a closing parenthesis without an opening one".to_owned()),
            },
            Token::Other(';') => Some("; would end the statement".to_owned()),
            Token::Other(_) => None,
            // Counted from today, or in transactions up to now.
            Token::Word(name) | Token::Quoted(name)
                if name == "age" && called && one_argument(&tokens[at + 1..]) =>
            {
                Some(format!("{} with one argument", depends("age()")))
            }
            Token::Word(name) => word(name, called),
            Token::Quoted(name) => system_column(name).or_else(|| function(name, called)),
            Token::Text(text) => moment(text),
        };
        if why.is_some() {
            return why;
        }
    }
    (depth > 0).then(|| "an opening parenthesis without a closing one".to_owned())
}

/// The functions that a condition may call, for which the catalog knows whether they follow from their arguments alone;
/// nothing where the condition is refused. A word before a parenthesis that is no function is none in the catalog either.
pub fn called(condition: &str) -> Vec<QualifiedName> {
    let name = |token: &Token| match token {
        Token::Word(name) | Token::Quoted(name) => Some(name.clone()),
        _ => None,
    };
    let tokens = tokens(condition).unwrap_or_default();
    let mut all = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [function, Token::Other('(')] = pair else {
            continue;
        };
        let Some(function) = name(function) else {
            continue;
        };
        let schema = match at.checked_sub(1).and_then(|dot| tokens.get(dot)) {
            Some(Token::Other('.')) => at
                .checked_sub(2)
                .and_then(|schema| tokens.get(schema))
                .and_then(name),
            // The search_path of every session.
            _ => Some("pg_catalog".to_owned()),
        };
        let Some(schema) = schema else { continue };
        if schema != "pg_catalog" || !PINNED.contains(&function.as_str()) {
            all.push(QualifiedName::new(&schema, &function));
        }
    }
    all
}

/// Why a condition that calls such a function cannot be compared by.
pub fn not_immutable(function: &QualifiedName) -> String {
    format!(
        "{function} is not IMMUTABLE: it may read other rows, or depend on the moment or the session; the condition has to \
         follow from the row alone"
    )
}

/// Whether a call, given from its opening parenthesis on, has a single argument.
fn one_argument(call: &[Token]) -> bool {
    let mut depth = 0_u32;
    for token in call {
        match token {
            Token::Other('(' | '[') => depth += 1,
            Token::Other(')' | ']') => depth = depth.saturating_sub(1),
            Token::Other(',') if depth == 1 => return false,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    true
}

fn word(name: &str, called: bool) -> Option<String> {
    if QUERIES.contains(&name) {
        return Some(format!(
            "{name}: a subquery reads other rows, which the two sides do not have at the same moment"
        ));
    }
    if VALUES.contains(&name) {
        return Some(format!("{}; {QUOTE}", depends(name)));
    }
    system_column(name).or_else(|| function(name, called))
}

const QUOTE: &str = "a column of that name is written in double quotes";

fn depends(name: &str) -> String {
    format!(
        "{name} depends on the moment or the session, and the two sides are read at different moments: the condition \
         has to follow from the row alone"
    )
}

fn system_column(name: &str) -> Option<String> {
    SYSTEM_COLUMNS.contains(&name).then(|| {
        format!("{name} is a system column: it says how a side stores the row, which is not the same on both")
    })
}

fn function(name: &str, called: bool) -> Option<String> {
    let known = FUNCTIONS.contains(&name)
        // In double quotes, a function of this name can be called as well.
        || VALUES.contains(&name)
        || FUNCTION_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    (called && known).then(|| depends(&format!("{name}()")))
}

/// Whether a text would be a date or time of the moment: `'today'`, `'tomorrow 12:00'`.
fn moment(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let alone = words.all(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    (MOMENTS.contains(&first) && alone).then(|| {
        let (head, tail) = first.split_at(1);
        format!(
            "{}; where it is a text and no time, write '{head}' || '{tail}'",
            depends(&format!("'{first}'"))
        )
    })
}

fn tokens(condition: &str) -> Result<Vec<Token>, String> {
    let mut chars = condition.chars().peekable();
    let mut found = Vec::new();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('-', Some('-')) => {
                chars.by_ref().find(|c| matches!(c, '\n' | '\r'));
            }
            ('/', Some('*')) => {
                chars.next();
                comment(&mut chars)?;
            }
            // Two texts with a line break between them are one.
            ('\'', _) if matches!(found.last(), Some(Token::Text(_))) => {
                return Err("a text in parts: it has to be written as one".to_owned());
            }
            ('\'', _) => found.push(Token::Text(quoted(&mut chars, '\'', false)?)),
            ('"', _) => found.push(Token::Quoted(quoted(&mut chars, '"', false)?)),
            ('$', Some(next)) if *next == '$' || begins_name(*next) => {
                found.push(Token::Text(dollar(&mut chars)?));
            }
            _ if begins_name(c) => {
                let mut name = String::from(c);
                while let Some(c) = chars.next_if(|c| in_name(*c)) {
                    name.push(c);
                }
                let name = name.to_ascii_lowercase();
                match chars.peek() {
                    Some('\'') if name == "e" => {
                        chars.next();
                        found.push(Token::Text(quoted(&mut chars, '\'', true)?));
                    }
                    Some('&') if name == "u" => {
                        chars.next();
                        if let Some(quote @ ('"' | '\'')) = chars.peek() {
                            return Err(format!(
                                "U&{quote}: it has to be written without Unicode escapes"
                            ));
                        }
                        found.push(Token::Word(name));
                        found.push(Token::Other('&'));
                    }
                    _ => found.push(Token::Word(name)),
                }
            }
            _ if c.is_whitespace() => {}
            _ => found.push(Token::Other(c)),
        }
    }
    Ok(found)
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn in_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || c == '$'
}

/// Up to the end of a comment, which may have others in it.
fn comment(chars: &mut Peekable<Chars<'_>>) -> Result<(), String> {
    let mut depth = 1;
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => continue,
        }
        chars.next();
        if depth == 0 {
            return Ok(());
        }
    }
    Err("a comment without its end (*/)".to_owned())
}

/// What is between quotes; a quote that is there twice is part of it.
fn quoted(
    chars: &mut Peekable<Chars<'_>>,
    quote: char,
    backslashes: bool,
) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && backslashes {
            let next = chars.next();
            if next.is_some_and(|c| c.is_ascii_digit() || matches!(c, 'x' | 'u' | 'U')) {
                return Err("E'': characters have to be written without their codes".to_owned());
            }
            text.extend(next.map(|c| match c {
                'b' | 'f' | 'n' | 'r' | 't' => ' ',
                c => c,
            }));
        } else if c != quote || chars.next_if_eq(&quote).is_some() {
            text.push(c);
        } else {
            return Ok(text);
        }
    }
    Err(format!("a quote without its end ({quote})"))
}

/// What is between `$tag$` and `$tag$`. The first `$` has been read.
fn dollar(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut tag = String::from('$');
    while let Some(c) = chars.next_if(|c| *c != '$' && in_name(*c)) {
        tag.push(c);
    }
    if chars.next_if_eq(&'$').is_none() {
        return Err(format!("{tag}: $ begins neither a text nor a name"));
    }
    tag.push('$');
    let mut text = String::new();
    for c in chars.by_ref() {
        text.push(c);
        if let Some(text) = text.strip_suffix(&tag) {
            return Ok(text.to_owned());
        }
    }
    Err(format!("a quote without its end ({tag})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_on_the_row_alone_is_taken() {
        for condition in [
            "id < 100",
            "id BETWEEN 100 AND 200 -- the new ones; (all)",
            "(a OR (b)) /* ) ; /* select */ now() */ AND c",
            "note = 'now() ; select ('",
            r"note = E'it\'s ; now()' AND x",
            r"note = '\' AND x",
            "note = 'it''s (' OR note = $$)$$ OR note = $a$ $$ ; $b$ now( $a$",
            "\"user\" = 'x' AND \"now\" > 3 AND \"a\"\"(b\" = 1",
            "version > 3 AND random IS NULL AND now < 5",
            "at > '2024-01-01'::timestamp with time zone AND d = 'Todays' AND v LIKE 'today%'",
            "a1$b = 1e5 AND x = 0x1f AND u & 1 = 1",
            "age(at, '2024-01-01') < interval '1 day' AND age > 3",
            "xmin_of = 3 AND selected AND größe > 1",
        ] {
            assert_eq!(refuse(condition), None, "{condition}");
        }
    }

    #[test]
    fn functions_are_found() {
        let found = called(
            "App . \"Is New\" (id) AND pg_catalog.abs(n) > lower(x.y) AND note = 'a.b(' AND app.f(app.g(1)) \
             AND to_char(n, 'x') = pg_catalog.Format('y') AND pg_sleep(0) IS NULL -- a.c()",
        );
        let names: Vec<(&str, &str)> = (found.iter())
            .map(|one| (one.schema.as_str(), one.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("app", "Is New"),
                ("pg_catalog", "abs"),
                ("pg_catalog", "lower"),
                ("app", "f"),
                ("app", "g"),
                ("pg_catalog", "pg_sleep")
            ]
        );
    }

    #[test]
    fn what_is_refused_is_named() {
        for (condition, what) in [
            ("id<10) or (true", "closing parenthesis"),
            ("(id < 10", "opening parenthesis"),
            ("'(' = a)", "closing parenthesis"),
            ("id < 10; drop table t", ";"),
            ("note = 'x", "quote without its end (')"),
            (r"note = E'x\'", "quote without its end (')"),
            ("\"note = 1", "quote without its end (\")"),
            ("note = $a$ $b$", "quote without its end ($a$)"),
            ("a /* /* */", "comment"),
            ("id IN (SELECT 1)", "select"),
            ("id IN (with x as (select 1) table x)", "select"),
            ("id IN (table x)", "table"),
            ("id IN (VALUES (1))", "values"),
            ("CTID = '(0,1)'", "ctid is a system column"),
            ("\"xmin\" = 1", "xmin is a system column"),
            ("t.tableoid = 1", "tableoid is a system column"),
            ("at < now()", "now() depends"),
            ("at < pg_catalog . Now /* x */ ( )", "now() depends"),
            ("at < \"now\"()", "now() depends"),
            ("at < Current_Timestamp", "current_timestamp depends"),
            ("d < current_date - 1", "current_date depends"),
            ("u = user", "double quotes"),
            ("u = \"current_user\"()", "current_user() depends"),
            (
                "txid_current_if_assigned() > 1",
                "txid_current_if_assigned() depends",
            ),
            (
                "pg_current_wal_lsn() > '0/0'",
                "pg_current_wal_lsn() depends",
            ),
            ("random() < 0.5", "random() depends"),
            ("age(at) < interval '1 day'", "age() depends"),
            ("pg_catalog.age((greatest(at, b))) < x", "age() depends"),
            ("nextval('s') > 1", "nextval() depends"),
            ("at < 'now'", "'now' depends"),
            ("at < ' TODAY 12:00 '::timestamptz", "'t' || 'oday'"),
            ("u&\"\\006eow\"() > at", "Unicode"),
            ("at < timestamptz U&'\\006eow'", "Unicode"),
            (r"at < timestamptz E'\156ow'", "codes"),
            (r"at < timestamptz E'\x6eow'", "codes"),
            (r"at < timestamptz E'\u006eow'", "codes"),
            (r"at < timestamptz E'\n today'", "'today' depends"),
            ("at < timestamptz 'no'\n'w'", "in parts"),
        ] {
            let why = refuse(condition).unwrap_or_default();
            assert!(why.contains(what), "{condition}: {why}");
        }
        for name in FUNCTIONS {
            assert!(refuse(&format!("a = {name}(1)")).is_some(), "{name}");
        }
        for name in VALUES.iter().chain(SYSTEM_COLUMNS) {
            assert!(refuse(&format!("a = {name}")).is_some(), "{name}");
        }
    }
}
