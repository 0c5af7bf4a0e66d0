//! `cargo xtask tidy`: proves the invariants of `crates/ARCHITECTURE.md` from `cargo metadata` and
//! the sources.
//!
//! Each rule is a function from files to violations, with a failing example among its tests. What
//! may break a rule, and why, stands in one table; an exception that is no longer needed is a
//! violation too. It does not replace the compiler's and clippy's lints: it says what they cannot.

mod circles;
mod graph;
mod lex;
mod licence;
mod manifest;
mod names;
mod rule;
mod source;
mod sql;
mod text;
mod tree;
mod words;

use std::path::Path;

use anyhow::{Result, bail};

use crate::run::{root, say};
use rule::{EXCEPTIONS, RULES, Violation};
use tree::Tree;

/// What to do.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// List the invariants and their exceptions instead.
    #[arg(long)]
    list: bool,
}

/// Checks the project; says what is broken and what is worth a thought.
pub(crate) fn main(args: &Args) -> Result<()> {
    if args.list {
        list();
        return Ok(());
    }
    let root = root();
    let tree = Tree::read(&root)?;
    let (found, notes) = examine(&root, &tree)?;
    for note in &notes {
        say(&format!("note: {note}"));
    }
    for violation in &found {
        say(&violation.to_string());
    }
    if found.is_empty() {
        say(&format!(
            "{} invariants hold in {} files",
            RULES.len(),
            tree.paths.len()
        ));
        return Ok(());
    }
    bail!(
        "{} violations; crates/ARCHITECTURE.md says why each invariant is there",
        found.len()
    )
}

fn list() {
    for rule in RULES {
        say(&format!("{:<15} {}", rule.id, rule.invariant));
        for exception in EXCEPTIONS.iter().filter(|e| e.rule == rule.id) {
            say(&format!(
                "{:<15}   except {}: {}",
                "", exception.path, exception.reason
            ));
        }
    }
}

fn examine(root: &Path, tree: &Tree) -> Result<(Vec<Violation>, Vec<String>)> {
    let mut found: Vec<Violation> = tree.sources.iter().flat_map(source::check).collect();
    found.extend(sql::check(tree));
    found.extend(text::check(tree));
    found.extend(words::check(tree));
    found.extend(circles::check(tree));
    found.extend(names::check(tree));
    found.extend(manifest::check(tree));
    found.extend(graph::check(&graph::metadata(root)?, root, tree));
    let mut notes = Vec::new();
    match text::shellcheck(root, tree) {
        Ok(more) => found.extend(more),
        Err(why) => notes.push(why),
    }
    Ok((rule::filter(found, EXCEPTIONS), notes))
}
