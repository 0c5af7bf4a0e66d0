//! The condition of `--where`. It is evaluated on each side, at different moments and in many sessions: it has to follow from the
//! row alone, and it has to stay one expression wherever it is put. What it calls, a server tells
//! ([`super::parsed_condition`]).

use std::iter::Peekable;
use std::str::Chars;

/// Words that make a text a date or time of the moment, wherever they stand in it.
const MOMENTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];

/// Without one of these there is no subquery; each WITH ends in one.
const QUERIES: &[&str] = &["select", "table", "values"];

/// Why a condition with a subquery is refused.
pub(super) const SUBQUERY: &str =
    "a subquery reads other rows, which the two sides do not have at the same moment";

/// The texts of a condition, which can be put into a statement. What it calls only a server can tell.
///
/// # Errors
/// Why it cannot.
pub fn texts(condition: &str) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    let mut chars = condition.chars().peekable();
    let (mut depth, mut after_text) = (0_u32, false);
    while let Some(c) = chars.next() {
        let mut text = false;
        match (c, chars.peek()) {
            // Any other blank is the beginning of a name for the server.
            _ if c.is_ascii_whitespace() || c == '\u{b}' => text = after_text,
            ('-', Some('-')) => {
                chars.by_ref().find(|c| matches!(c, '\n' | '\r'));
                text = after_text;
            }
            ('/', Some('*')) => {
                chars.next();
                comment(&mut chars)?;
                text = after_text;
            }
            // Two texts with a line break between them are one.
            ('\'', _) if after_text => {
                return Err("a text in parts: it has to be written as one".to_owned());
            }
            ('\'', _) => {
                texts.push(quoted(&mut chars, '\'', false)?);
                text = true;
            }
            ('"', _) => {
                quoted(&mut chars, '"', false)?;
            }
            ('$', Some(next)) if *next == '$' || begins_name(*next) => {
                texts.push(dollar(&mut chars)?);
            }
            _ if begins_name(c) => {
                let mut name = String::from(c);
                while let Some(c) = chars.next_if(|c| in_name(*c)) {
                    name.push(c);
                }
                match (name.as_str(), chars.peek()) {
                    ("e" | "E", Some('\'')) => {
                        chars.next();
                        texts.push(quoted(&mut chars, '\'', true)?);
                        text = true;
                    }
                    ("u" | "U", Some('&')) => {
                        chars.next();
                        if let Some(quote @ ('"' | '\'')) = chars.peek() {
                            return Err(format!(
                                "U&{quote}: it has to be written without Unicode escapes"
                            ));
                        }
                    }
                    _ if QUERIES.contains(&name.to_ascii_lowercase().as_str()) => {
                        return Err(format!(
                            "{name}: {SUBQUERY}; a column of that name is written in double quotes"
                        ));
                    }
                    _ => {}
                }
            }
            ('(', _) => depth += 1,
            (')', _) => {
                depth = depth
                    .checked_sub(1)
                    .ok_or("a closing parenthesis without an opening one")?;
            }
            (';', _) => return Err("; would end the statement".to_owned()),
            _ => {}
        }
        after_text = text;
    }
    match depth {
        0 => Ok(texts),
        _ => Err("an opening parenthesis without a closing one".to_owned()),
    }
}

/// Why a condition that compares with a date or time depends on the moment: `'today'`, `'12:00, tomorrow'`.
pub fn moment(texts: &[String]) -> Option<String> {
    let words = |text: &String| -> Vec<String> {
        (text
            .to_ascii_lowercase()
            .split(|c: char| !c.is_ascii_alphabetic()))
        .map(str::to_owned)
        .collect()
    };
    let word = texts
        .iter()
        .flat_map(words)
        .find(|word| MOMENTS.contains(&word.as_str()))?;
    Some(format!(
        "'{word}' depends on the moment, and the two sides are read at different moments: the condition has to follow from the \
         row alone"
    ))
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
            assert!(texts(condition).is_ok(), "{condition}");
        }
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
            (
                "\u{a0}$$ = 1) OR (TRUE OR \u{a0}$$ = 1",
                "closing parenthesis",
            ),
            ("a /* /* */", "comment"),
            ("id IN (SELECT 1)", "subquery"),
            ("id IN (with x as (select 1) table x)", "subquery"),
            ("id IN (VALUES (1))", "subquery"),
            ("u&\"\\006eow\"() > at", "Unicode"),
            ("at < timestamptz U&'\\006eow'", "Unicode"),
            (r"at < timestamptz E'\156ow'", "codes"),
            (r"at < timestamptz E'\x6eow'", "codes"),
            (r"at < timestamptz E'\u006eow'", "codes"),
            ("at < timestamptz 'no'\n'w'", "in parts"),
        ] {
            let why = texts(condition).unwrap_err();
            assert!(why.contains(what), "{condition}: {why}");
        }
    }

    #[test]
    fn a_moment_is_found_wherever_it_stands() {
        let named = |condition: &str| moment(&texts(condition).unwrap()).is_some();
        for condition in [
            "at < 'now'",
            "at < ' TODAY 12:00 '::timestamptz",
            "at < '12:00, today'",
            "at < '(today)'",
            "at < 'today12:00'",
            "at < 'allballs tomorrow'",
            r"at < timestamptz E'\n yesterday +00'",
            "at < $$now$$",
        ] {
            assert!(named(condition), "{condition}");
        }
        for condition in [
            "at < '2024-01-01' AND d = 'Todays' AND \"now\" > 3",
            "at < 'infinity'",
        ] {
            assert!(!named(condition), "{condition}");
        }
    }
}
