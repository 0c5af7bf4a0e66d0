//! Rules over files that are not Rust, and over the list of files.

use std::path::Path;
use std::process::Command;

use super::lex::Kind;
use super::rule::{RULES, Violation};
use super::tree::Tree;

/// All rules of this module that need no other program.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = top_level(tree);
    found.extend(scripts(tree));
    found.extend(orphans(tree));
    found.extend(portable(tree));
    found.extend(architecture(tree));
    found
}

/// What the top level may hold, each for a reason that a visitor can guess.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "crates",
    "scripts",
    "tests",
    "xtask",
];

fn top_level(tree: &Tree) -> Vec<Violation> {
    let mut first: Vec<&str> = tree
        .paths
        .iter()
        .filter_map(|path| path.split('/').next())
        .collect();
    first.dedup();
    first
        .into_iter()
        .filter(|name| !TOP_LEVEL.contains(name))
        .map(|name| Violation::new("top-level", name, 0, "is not on the list of the top level"))
        .collect()
}

/// Rust files that no `mod` leads to: nothing compiles them, and their tests never run.
fn orphans(tree: &Tree) -> Vec<Violation> {
    let root = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        ["lib.rs", "main.rs", "build.rs"].contains(&file)
            || path.contains("/examples/")
            || path.contains("/src/bin/")
    };
    tree.sources
        .iter()
        .map(|source| source.path.as_str())
        .filter(|path| {
            let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
            !root(path) && !tree.modules.contains(module)
        })
        .map(|path| Violation::new("orphans", path, 0, "no `mod` leads to it"))
        .collect()
}

/// Shell scripts: by their ending or their first line.
fn is_script(path: &str, text: &str) -> bool {
    let shebang = text.lines().next().is_some_and(|line| {
        line.starts_with("#!") && (line.ends_with("sh") || line.contains("sh -"))
    });
    path.ends_with(".sh") || shebang
}

fn scripts(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree
        .texts
        .iter()
        .filter(|(path, text)| is_script(path, text))
    {
        let code = |line: &&str| !line.trim_start().starts_with('#');
        let stops = text.lines().filter(code).any(|line| {
            line.trim_start()
                .strip_prefix("set -")
                .is_some_and(|flags| flags.contains('e'))
        });
        if !stops {
            found.push(Violation::new(
                "scripts",
                path,
                1,
                "no `set -e`: it would go on after an error",
            ));
        }
        let mut before = "";
        for (at, line) in text.lines().enumerate() {
            let excused = before.trim_start().starts_with("# ") || line.contains("# ");
            if code(&line) && line.contains("|| true") && !excused {
                let what = "`|| true` without a comment that says why the error does not matter";
                found.push(Violation::new("scripts", path, at + 1, what));
            }
            before = line;
        }
    }
    found
}

/// Runs shellcheck over every script; says so when it is not installed.
pub(crate) fn shellcheck(root: &Path, tree: &Tree) -> Result<Vec<Violation>, String> {
    let scripts: Vec<&str> = tree
        .texts
        .iter()
        .filter(|(path, text)| is_script(path, text))
        .map(|(path, _)| path.as_str())
        .collect();
    if scripts.is_empty() {
        return Ok(Vec::new());
    }
    let output = Command::new("shellcheck")
        .args(["--format=gcc", "--external-sources"])
        .args(&scripts)
        .current_dir(root)
        .output()
        .map_err(|error| {
            format!(
                "shellcheck not run ({error}); {} scripts unchecked",
                scripts.len()
            )
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<Violation> = text.lines().filter_map(gcc_line).collect();
    if found.is_empty() && !output.status.success() {
        let what = format!(
            "shellcheck failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        found.push(Violation::new("shellcheck", scripts[0], 0, what));
    }
    Ok(found)
}

/// `path:line:column: message`.
fn gcc_line(line: &str) -> Option<Violation> {
    let mut parts = line.splitn(4, ':');
    let (path, at) = (parts.next()?, parts.next()?.parse().ok()?);
    parts.next()?;
    Some(Violation::new("shellcheck", path, at, parts.next()?.trim()))
}

/// First labels of hosts that serve packages.
const SERVING: &[&str] = &[
    "apt",
    "artifactory",
    "deb",
    "ftp",
    "index",
    "mirror",
    "mirrors",
    "nexus",
    "proxy",
    "pypi",
    "registry",
    "security",
    "snapshot",
    "static",
];
/// Last labels that make it a host and not a file or a method.
const DOMAINS: &[&str] = &["com", "dev", "internal", "io", "net", "org"];
/// Folders that exist on one machine only; split so that this file does not name them.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/fa", "rm/"),
];

fn portable(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let rust = tree
        .sources
        .iter()
        .map(|s| (s.path.as_str(), s.text.as_str()));
    let other = tree.texts.iter().map(|(p, t)| (p.as_str(), t.as_str()));
    for (path, text) in rust.chain(other).filter(|(path, _)| *path != "Cargo.lock") {
        for (at, line) in text.lines().enumerate() {
            for what in machine_path(line).into_iter().chain(registry_host(line)) {
                found.push(Violation::new("portable", path, at + 1, what));
            }
        }
    }
    found
}

/// A folder of one machine at the start of a path: not after a letter, a dot or a variable.
fn machine_path(line: &str) -> Option<String> {
    MACHINE.iter().find_map(|folder| {
        line.match_indices(folder)
            .any(|(at, _)| {
                line[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|c| !(c.is_alphanumeric() || "._-})]*~".contains(c)))
            })
            .then(|| format!("names {folder}"))
    })
}

fn registry_host(line: &str) -> Option<String> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)))
        .find_map(|word| {
            let labels: Vec<&str> = word.split('.').collect();
            let [first, .., last] = labels.as_slice() else {
                return None;
            };
            (labels.len() >= 3 && SERVING.contains(first) && DOMAINS.contains(last))
                .then(|| format!("names the host {word}"))
        })
}

const ARCHITECTURE: &str = "crates/ARCHITECTURE.md";

fn architecture(tree: &Tree) -> Vec<Violation> {
    let Some(text) = tree.text(ARCHITECTURE) else {
        return vec![Violation::new(
            "architecture",
            ARCHITECTURE,
            0,
            "is missing",
        )];
    };
    let mut found = Vec::new();
    for rule in RULES
        .iter()
        .filter(|rule| !text.contains(&format!("`{}`", rule.id)))
    {
        let what = format!("does not name the invariant `{}`", rule.id);
        found.push(Violation::new("architecture", ARCHITECTURE, 0, what));
    }
    let mut crates: Vec<&str> = tree
        .paths
        .iter()
        .filter_map(|path| path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml"))
        .collect();
    crates.dedup();
    for name in crates
        .into_iter()
        .filter(|name| !text.contains(&format!("`{name}`")))
    {
        found.push(Violation::new(
            "architecture",
            ARCHITECTURE,
            0,
            format!("does not describe `{name}`"),
        ));
    }
    found.extend(dead_references(tree, text));
    found
}

/// Files that the text names in backquotes and that are not there.
fn dead_references(tree: &Tree, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let file = word.contains('/')
                && [".rs", ".sql", ".md", ".sh", ".toml"]
                    .iter()
                    .any(|e| word.ends_with(e))
                && !word.contains(['*', '<', ' ', '…']);
            let there = |path: &String| path == word || path.strip_prefix("crates/") == Some(word);
            if file && !tree.paths.iter().any(there) {
                let what = format!("names {word}, which does not exist");
                found.push(Violation::new("architecture", ARCHITECTURE, at + 1, what));
            }
        }
    }
    found
}

/// Whether any string literal of the sources holds a text; for rules over manifests.
pub(crate) fn names_in_code(tree: &Tree, package_folder: &str, name: &str) -> bool {
    tree.sources
        .iter()
        .filter(|s| s.path.starts_with(package_folder))
        .any(|source| {
            source
                .code()
                .iter()
                .any(|t| t.kind == Kind::Ident && t.text == name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of(
            files
                .iter()
                .map(|(p, t)| ((*p).to_owned(), (*t).to_owned()))
                .collect(),
        )
    }

    fn lines(found: &[Violation]) -> Vec<(&str, usize)> {
        found.iter().map(|v| (v.path.as_str(), v.line)).collect()
    }

    #[test]
    fn the_top_level_is_closed() {
        let found = top_level(&tree(&[
            ("README.md", ""),
            ("docs/a.md", ""),
            ("docs/b.md", ""),
        ]));
        assert_eq!(lines(&found), [("docs", 0)]);
    }

    #[test]
    fn a_file_that_nothing_compiles_is_found() {
        let found = orphans(&tree(&[
            ("crates/a/src/lib.rs", "mod used;\nmod folder;"),
            ("crates/a/src/used.rs", "mod below;"),
            ("crates/a/src/used/below.rs", ""),
            ("crates/a/src/folder/mod.rs", ""),
            ("crates/a/src/lost.rs", ""),
            ("tests/main.rs", "mod seen;"),
            ("tests/seen.rs", ""),
            ("tests/unseen.rs", ""),
        ]));
        assert_eq!(
            lines(&found),
            [("crates/a/src/lost.rs", 0), ("tests/unseen.rs", 0)]
        );
    }

    #[test]
    fn scripts_stop_at_errors_and_excuse_what_they_ignore() {
        let good = "#!/bin/sh\nset -eu\n# The file may be gone already.\nrm x || true\n";
        assert_eq!(lines(&scripts(&tree(&[("scripts/a", good)]))), []);
        let ignoring = "#!/usr/bin/env bash\nset -euo pipefail\nrm x || true\n";
        assert_eq!(
            lines(&scripts(&tree(&[("scripts/a", ignoring)]))),
            [("scripts/a", 3)]
        );
        let going_on = "#!/bin/sh\n# set -e\nrm x\n";
        assert_eq!(lines(&scripts(&tree(&[("a.sh", going_on)]))), [("a.sh", 1)]);
    }

    #[test]
    fn shellcheck_lines_become_violations() {
        let found = gcc_line("scripts/a.sh:3:5: warning: Quote this. [SC2086]").unwrap();
        assert_eq!((found.path.as_str(), found.line), ("scripts/a.sh", 3));
        assert!(found.what.contains("SC2086"));
        assert_eq!(gcc_line("nonsense"), None);
    }

    #[test]
    fn machine_paths_and_registry_hosts_are_found() {
        for (at, folder) in MACHINE.iter().enumerate() {
            let line = format!("cd {folder}x && {at}");
            assert!(machine_path(&line).is_some(), "{line}");
        }
        assert_eq!(
            machine_path("$dir/work/x ./work/x net/work/"),
            machine_path("")
        );
        for label in SERVING {
            let line = format!("from https://{label}.example.org/x");
            assert!(registry_host(&line).is_some(), "{line}");
        }
        for fine in [
            "db.example.org",
            "index.html",
            "self.registry.example",
            "apt.org",
            "mirror",
        ] {
            assert_eq!(registry_host(fine), None, "{fine}");
        }
    }

    #[test]
    fn the_architecture_names_rules_crates_and_real_files() {
        let all: String = RULES.iter().map(|rule| format!("`{}` ", rule.id)).collect();
        let of = |text: &str| {
            architecture(&tree(&[
                (ARCHITECTURE, text),
                ("crates/pgl-core/Cargo.toml", ""),
                ("crates/pgl-core/src/lib.rs", "//! D."),
            ]))
            .into_iter()
            .map(|v| v.what)
            .collect::<Vec<_>>()
        };
        assert!(of(&format!("{all} `pgl-core` `pgl-core/src/lib.rs`")).is_empty());
        assert_eq!(of(&all), ["does not describe `pgl-core`"]);
        assert_eq!(
            of(&format!("{all} `pgl-core`").replace("`lints`", "")),
            ["does not name the invariant `lints`"]
        );
        let dead = of(&format!("{all} `pgl-core` `pgl-core/src/gone.rs`"));
        assert_eq!(dead, ["names pgl-core/src/gone.rs, which does not exist"]);
    }
}
