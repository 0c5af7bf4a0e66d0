//! Every option and verb that a text names exists: hints, findings, help, scripts and documentation are held against
//! the tools' own command lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use pgl_core::rules;

/// Options of other programs that our texts name.
const OTHERS: &[&str] = &[
    // cargo and xtask
    "--majors",
    "--newest",
    "--all-targets",
    "--check",
    "--fix",
    "--ignored",
    "--list",
    "--locked",
    "--no-run",
    "--path",
    "--release",
    "--test",
    "--test-threads",
    "--workspace",
    "--source-major",
    "--target-major",
    "--runs",
    // a server's option in a connection string, and a misspelt one in a test
    "--interval-style",
    "--sorce",
    // pg_dump, psql
    "--clean",
    "--column-inserts",
    "--data-only",
    "--dbname",
    "--disable-triggers",
    "--enable-row-security",
    "--file",
    "--if-exists",
    "--no-owner",
    "--no-password",
    "--no-publications",
    "--no-tablespaces",
    "--no-security-labels",
    "--no-subscriptions",
    "--quote-all-identifiers",
    "--schema-only",
    "--section",
    "--use-list",
    "--use-set-session-authorization",
    "--globals-only",
    "--roles-only",
    "--strict-names",
    "--snapshot",
    "--serializable-deferrable",
];

/// The options and verbs of a tool.
#[derive(Default)]
struct Known {
    options: BTreeSet<String>,
    verbs: BTreeSet<String>,
}

fn known() -> BTreeMap<&'static str, Known> {
    fn options(command: &clap::Command, into: &mut BTreeSet<String>) {
        for arg in command.get_arguments() {
            into.extend(arg.get_long().map(|long| format!("--{long}")));
            for alias in arg.get_all_aliases().unwrap_or_default() {
                into.insert(format!("--{alias}"));
            }
        }
        for inner in command.get_subcommands() {
            options(inner, into);
        }
    }
    pgl_manual::TOOLS
        .iter()
        .map(|tool| {
            let mut command = (tool.command)();
            command.build();
            let mut known = Known::default();
            options(&command, &mut known.options);
            let verbs = command
                .get_subcommands()
                .map(|one| one.get_name().to_owned());
            known.verbs.extend(verbs);
            for arg in command.get_positionals() {
                let values = arg.get_possible_values();
                known
                    .verbs
                    .extend(values.iter().map(|value| value.get_name().to_owned()));
            }
            (tool.name, known)
        })
        .collect()
}

/// The option at the beginning of a text, without what follows it.
fn option(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?;
    let length = name
        .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
        .unwrap_or(name.len());
    let end = &word[..2 + length];
    let end = end.trim_end_matches('-');
    (end.len() > 3).then_some(end)
}

/// What a text says wrongly.
fn wrong(text: &str, tools: &BTreeMap<&'static str, Known>) -> Vec<String> {
    let mut wrong = Vec::new();
    // A string that goes on in the next line of the source is one sentence.
    let text = text
        .replace("\\\n", " ")
        .replace("///", " ")
        .replace("//!", " ");
    for line in text.lines() {
        let mut tool: Option<&Known> = None;
        let mut name = "";
        for word in line.split_whitespace() {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            if let Some((found, known)) = tools.get_key_value(bare) {
                (name, tool) = (found, Some(known));
            } else if let Some(option) =
                option(word.trim_start_matches(|c: char| "\"'`([{".contains(c)))
            {
                let everywhere = ["--help", "--version"].contains(&option);
                let of_some = tools.values().any(|known| known.options.contains(option));
                let fits = match tool {
                    Some(known) => known.options.contains(option) || OTHERS.contains(&option),
                    None => of_some || OTHERS.contains(&option),
                };
                if !fits && !everywhere {
                    let of = if tool.is_some() { name } else { "any tool" };
                    wrong.push(format!("{option} is no option of {of}: {}", line.trim()));
                }
            }
            // The next clause may be about something else.
            if word.ends_with([';', ',', '.', ':', ')', '|', '`', '"']) {
                tool = None;
            }
        }
    }
    wrong
}

fn files(root: &Path, ends: &[&str], into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(root).with_context(|| root.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, ends, into)?;
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            into.push(path);
        }
    }
    Ok(())
}

#[test]
fn a_wrong_option_is_noticed() {
    let tools = known();
    assert_eq!(wrong("pgl-preflight --explain shows more", &tools).len(), 1);
    assert_eq!(wrong("run `pgl-setup --fix-sql source`", &tools).len(), 1);
    assert_eq!(wrong("--no-such-thing names it", &tools).len(), 1);
    for asking in [
        "run pgl-control resync {name}, then",
        "pgl-cutover rollback goes back",
    ] {
        assert_eq!(asks(asking).len(), 1, "{asking}");
    }
    assert!(asks("pgl-control resync {name} --yes; pgl-control resync repairs it").is_empty());
    assert!(
        wrong(
            "pgl-preflight --fix-sql source, --name x; pgl-setup --until guard",
            &tools
        )
        .is_empty()
    );
}

/// Commands with their objects that would ask first, and do not carry the answer.
fn asks(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("//") {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, pair) in words.windows(2).enumerate() {
            let rest = &words[at + 2..];
            let object = rest.first().is_some_and(|word| {
                let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
                let placeholder = bare.starts_with(|c: char| c.is_uppercase());
                word.starts_with('{') || placeholder && bare.chars().all(|c| !c.is_lowercase())
            });
            let command = match pair {
                [tool, "resync" | "remove-table"] if tool.ends_with("pgl-control") => object,
                [tool, "rollback"] if tool.ends_with("pgl-cutover") => true,
                _ => false,
            };
            let answered = rest.iter().take(3).any(|word| {
                ["--yes", "--dry-run"]
                    .contains(&word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-'))
            });
            if command && !answered {
                found.push(line.to_owned());
            }
        }
    }
    found
}

#[test]
fn options_in_texts_are_options_of_the_tools() -> Result<()> {
    let root = pgl_manual::root();
    let tools = known();
    let mut all = Vec::new();
    for name in [
        "conn",
        "catalog",
        "core",
        "apply",
        "cli",
        "preflight",
        "setup",
        "status",
        "seqsync",
        "verify",
        "control",
        "cutover",
        "teardown",
    ] {
        files(
            &root.join(format!("crates/pgl-{name}/src")),
            &[".rs"],
            &mut all,
        )?;
    }
    files(&root.join("scripts"), &[""], &mut all)?;
    all.extend(["README.md", "crates/pgl-preflight/CHECKS.md"].map(|name| root.join(name)));
    ensure!(all.len() > 200, "only {} files", all.len());
    let mut found = Vec::new();
    for path in all {
        let text = fs::read_to_string(&path)?;
        let shown = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let asking = shown.ends_with(".rs").then(|| asks(&text));
        let asking = asking.into_iter().flatten();
        found.extend(
            wrong(&text, &tools)
                .into_iter()
                .chain(asking.map(|line| format!("needs --yes: {line}")))
                .map(|what| format!("{shown}: {what}")),
        );
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn commands_that_begin_a_line_have_verbs_that_exist() -> Result<()> {
    let root = pgl_manual::root();
    let tools = known();
    let mut texts = vec![fs::read_to_string(root.join("README.md"))?];
    let mut scripts = Vec::new();
    files(&root.join("scripts"), &[".sh"], &mut scripts)?;
    for path in scripts {
        texts.push(fs::read_to_string(path)?);
    }
    for tool in pgl_manual::TOOLS {
        texts.push((tool.command)().render_long_help().to_string());
    }
    let mut seen = 0;
    for text in &texts {
        for line in text.lines().map(str::trim_start) {
            let mut words = line.split_whitespace();
            let known = words.next().and_then(|word| tools.get(word));
            let (Some(known), Some(verb)) = (known, words.next()) else {
                continue;
            };
            let plain = verb.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            if known.verbs.is_empty() || !plain || verb.starts_with('-') {
                continue;
            }
            seen += 1;
            ensure!(known.verbs.contains(verb), "{verb:?} is no verb: {line}");
        }
    }
    ensure!(seen > 5, "only {seen} verbs seen");
    Ok(())
}

#[test]
fn remedies_name_checks_that_exist() -> Result<()> {
    let root = pgl_manual::root();
    let ids: BTreeSet<&str> = rules::all().map(|check| check.id).collect();
    let families: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('.').next()).collect();
    for check in rules::all() {
        for word in [&*check.text.why, &*check.text.remedy]
            .join(" ")
            .split_whitespace()
        {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if let Some((family, rest)) = bare.split_once('.')
                && families.contains(family)
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            {
                ensure!(ids.contains(bare), "{}: {bare} is no check", check.id);
            }
        }
    }
    ensure!(root.join("crates/pgl-preflight/CHECKS.md").exists());
    Ok(())
}
