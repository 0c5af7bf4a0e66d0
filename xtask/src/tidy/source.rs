//! Rules over the tokens of one Rust file.

use super::lex::{Kind, Token};
use super::rule::Violation;
use super::tree::Source;

/// All rules of this module over one file.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let rules = [
        prints,
        driver,
        pg_environment,
        answers,
        purity,
        main_size,
        module_doc,
        ignored_tests,
        unfinished,
        allowed_lints,
    ];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

/// Whether the tokens begin with this run of identifiers and punctuation.
fn starts(tokens: &[&Token], run: &[&str]) -> bool {
    tokens.len() >= run.len() && run.iter().zip(tokens).all(|(text, token)| token.is(text))
}

/// The lines on which one of these runs begins, with the run as written.
fn find(tokens: &[&Token], runs: &[&[&str]]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        for run in runs {
            if starts(&tokens[at..], run) {
                found.push((tokens[at].line, run.concat()));
            }
        }
    }
    found
}

fn prints(source: &Source) -> Vec<Violation> {
    // The tasks are development too, but they are programs that print: excepted by name, so
    // that the list of who prints is complete.
    let tokens = match source.package() {
        "pgl-cli" | "tests" => return Vec::new(),
        _ if source.path.contains("/tests/") => return Vec::new(),
        _ => source
            .tokens
            .iter()
            .filter(|t| !t.test && !t.is_comment())
            .collect::<Vec<_>>(),
    };
    let runs: &[&[&str]] = &[
        &["println", "!"],
        &["print", "!"],
        &["eprintln", "!"],
        &["eprint", "!"],
        &["dbg", "!"],
        &["io", ":", ":", "stdout"],
        &["io", ":", ":", "stderr"],
        &["stdout", "(", ")"],
        &["stderr", "(", ")"],
    ];
    let mut lines = find(&tokens, runs);
    lines.dedup_by_key(|(line, _)| *line);
    lines
        .into_iter()
        .map(|(line, what)| {
            Violation::new(
                "cli-prints",
                &source.path,
                line,
                format!("{what} outside pgl-cli"),
            )
        })
        .collect()
}

fn driver(source: &Source) -> Vec<Violation> {
    if source.package() == "pgl-conn" {
        return Vec::new();
    }
    let tokens = source.code();
    let mut lines = find(
        &tokens,
        &[
            &["postgres", ":", ":", "Client"],
            &["tokio_postgres", ":", ":"],
        ],
    );
    // `use postgres::{Client, …}`.
    for at in 0..tokens.len() {
        if starts(&tokens[at..], &["postgres", ":", ":", "{"]) {
            let group = tokens[at..].iter().take_while(|t| !t.is("}"));
            if let Some(token) = group.into_iter().find(|t| t.is("Client")) {
                lines.push((token.line, "postgres::{Client}".to_owned()));
            }
        }
    }
    lines
        .into_iter()
        .map(|(line, what)| {
            Violation::new(
                "driver-in-conn",
                &source.path,
                line,
                format!("{what} outside pgl-conn"),
            )
        })
        .collect()
}

/// The variables that libpq reads begin with PG and have no underscore; ours are PGL_….
fn is_libpq_variable(name: &str) -> bool {
    name.strip_prefix("PG")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase()))
}

fn pg_environment(source: &Source) -> Vec<Violation> {
    if source.package() == "pgl-conn" {
        return Vec::new();
    }
    let tokens = source.shipped();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let [call, open, argument, ..] = &tokens[at..] else {
            break;
        };
        let reads = ["var", "var_os", "env", "option_env"]
            .iter()
            .any(|name| call.is(name));
        // `env!("…")` and clap's `env = "…"` have one more sign in between.
        let argument = if open.is("!") {
            tokens.get(at + 3).unwrap_or(argument)
        } else {
            argument
        };
        if reads && argument.kind == Kind::Str && is_libpq_variable(&argument.text) {
            found.push((call.line, format!("reads {}", argument.text)));
        }
    }
    found.extend(
        find(
            &tokens,
            &[&["env", ":", ":", "vars"], &["env", ":", ":", "vars_os"]],
        )
        .into_iter()
        .map(|(line, what)| (line, format!("{what} reads every variable"))),
    );
    found
        .into_iter()
        .map(|(line, what)| Violation::new("pg-env-in-conn", &source.path, line, what))
        .collect()
}

/// A value of a row, read by its reader's own means: one that cannot be read must be an error, and it is
/// too easy to put a default in its place.
fn answers(source: &Source) -> Vec<Violation> {
    if ["pgl-conn", "pgl-testkit", "tests"].contains(&source.package()) {
        return Vec::new();
    }
    find(
        &source.shipped(),
        &[&["try_get", "("], &["try_get", ":", ":"]],
    )
    .into_iter()
    .map(|(line, _)| {
        let what = "reads a row by itself: pgl_conn::field says what could not be read";
        Violation::new("answers-in-conn", &source.path, line, what)
    })
    .collect()
}

fn purity(source: &Source) -> Vec<Violation> {
    if source.package() != "pgl-core" {
        return Vec::new();
    }
    let runs: &[&[&str]] = &[
        &["std", ":", ":", "fs"],
        &["std", ":", ":", "net"],
        &["std", ":", ":", "env"],
        &["std", ":", ":", "process"],
        &["std", ":", ":", "thread"],
        &["SystemTime", ":", ":", "now"],
        &["Instant", ":", ":", "now"],
        &["postgres", ":", ":"],
    ];
    find(&source.shipped(), runs)
        .into_iter()
        .map(|(line, what)| {
            Violation::new(
                "pure-core",
                &source.path,
                line,
                format!("{what} in pgl-core"),
            )
        })
        .collect()
}

fn main_size(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    if source.path.starts_with("crates/") && source.path.ends_with("/src/main.rs") && lines > 6 {
        let what = format!("{lines} lines; what it does belongs in lib.rs");
        return vec![Violation::new("main-size", &source.path, 0, what)];
    }
    Vec::new()
}

fn module_doc(source: &Source) -> Vec<Violation> {
    let skeleton = |text: &str| text.contains("(skeleton)");
    match source.tokens.first() {
        Some(token) if token.kind == Kind::InnerDoc && !skeleton(&token.text) => Vec::new(),
        Some(token) => {
            let what = "no //! comment before anything else";
            vec![Violation::new("module-doc", &source.path, token.line, what)]
        }
        None => vec![Violation::new(
            "module-doc",
            &source.path,
            0,
            "the file is empty",
        )],
    }
}

fn ignored_tests(source: &Source) -> Vec<Violation> {
    find(
        &source.code(),
        &[&["#", "[", "ignore"], &["#", "[", "should_panic"]],
    )
    .into_iter()
    .map(|(line, what)| {
        let what = format!("{what}]: a test asserts on a value, and it runs");
        Violation::new("no-ignore", &source.path, line, what)
    })
    .collect()
}

fn unfinished(source: &Source) -> Vec<Violation> {
    let runs: &[&[&str]] = &[&["todo", "!"], &["unimplemented", "!"]];
    let macros = find(&source.code(), runs);
    let marks = ["FIXME", "XXX", "TODO"];
    let comments = source
        .tokens
        .iter()
        .filter(|t| t.is_comment())
        .filter_map(|t| {
            let mark = marks.iter().find(|mark| {
                t.text
                    .split(|c: char| !c.is_ascii_alphanumeric())
                    .any(|word| word == **mark)
            })?;
            Some((t.line, (*mark).to_owned()))
        });
    macros
        .into_iter()
        .chain(comments)
        .map(|(line, what)| Violation::new("no-todo", &source.path, line, what))
        .collect()
}

fn allowed_lints(source: &Source) -> Vec<Violation> {
    let tokens = source.code();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let inner = usize::from(tokens.get(at + 1).is_some_and(|t| t.is("!")));
        let rest = &tokens[at..];
        if !tokens[at].is("#") || !rest.get(1 + inner).is_some_and(|t| t.is("[")) {
            continue;
        }
        let Some(name) = rest.get(2 + inner) else {
            continue;
        };
        let has_reason = rest
            .iter()
            .take_while(|t| !t.is("]"))
            .any(|t| t.is("reason"));
        if name.is("allow") {
            found.push((name.line, "#[allow]: use #[expect(…, reason = \"…\")]"));
        } else if name.is("expect") && !has_reason {
            found.push((name.line, "#[expect] without a reason"));
        }
    }
    found
        .into_iter()
        .map(|(line, what)| Violation::new("no-allow", &source.path, line, what))
        .collect()
}

#[cfg(test)]
mod tests;
