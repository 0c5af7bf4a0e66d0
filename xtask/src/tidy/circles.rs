//! No two files of a crate use each other, directly or through others. A module and its parts may: they are one thing.

use std::collections::{BTreeMap, BTreeSet};

use super::lex::Token;
use super::rule::Violation;
use super::tree::{Source, Tree};

/// A module's path inside its crate.
type Path = Vec<String>;

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut crates: BTreeMap<&str, BTreeMap<Path, &Source>> = BTreeMap::new();
    for source in tree.sources.iter().filter(|source| !source.development) {
        if let Some(path) = module(&source.path) {
            crates
                .entry(source.package())
                .or_default()
                .insert(path, source);
        }
    }
    crates.values().flat_map(circles).collect()
}

/// `crates/pgl-x/src/a/b.rs` is `a::b`.
fn module(path: &str) -> Option<Path> {
    let (_, inside) = path.strip_suffix(".rs")?.split_once("/src/")?;
    let mut parts: Path = inside.split('/').map(str::to_owned).collect();
    parts.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    Some(parts)
}

fn circles(files: &BTreeMap<Path, &Source>) -> Vec<Violation> {
    let uses: BTreeMap<&Path, BTreeSet<&Path>> = files
        .iter()
        .map(|(at, source)| (at, used(at, source, files)))
        .collect();
    let reaches = |from: &Path, goal: &Path| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            let more = uses.get(at).into_iter().flatten();
            next.extend(more.filter(|to| seen.insert(**to)));
        }
        seen.contains(goal)
    };
    let mut found = Vec::new();
    for (at, direct) in &uses {
        for to in direct.iter().filter(|to| reaches(to, at)) {
            let what = format!("uses {}, which comes back to it", to.join("::"));
            found.push(Violation::new("one-way", &files[*at].path, 0, what));
        }
    }
    found
}

/// The files that one uses, without those that it is a part of and its own parts.
fn used<'f>(at: &Path, source: &Source, files: &'f BTreeMap<Path, &Source>) -> BTreeSet<&'f Path> {
    let tokens = source.shipped();
    let mut paths = Vec::new();
    for (from, token) in tokens.iter().enumerate() {
        let mut prefix = match token.text.as_str() {
            "crate" => Vec::new(),
            "super" => at[..at.len().saturating_sub(1)].to_vec(),
            _ => continue,
        };
        let whole = from
            .checked_sub(1)
            .is_none_or(|before| !tokens[before].is(":"));
        if whole {
            follow(&tokens[from + 1..], &mut prefix, &mut paths);
        }
    }
    let file = |path: &Path| {
        let lengths = (0..=path.len()).rev();
        lengths
            .into_iter()
            .find_map(|length| files.get_key_value(&path[..length]))
    };
    paths
        .iter()
        .filter_map(|path| Some(file(path)?.0))
        .filter(|to| !at.starts_with(to) && !to.starts_with(at))
        .collect()
}

/// Reads `::a::{b, c::d}` after its beginning; gives how many tokens that were.
fn follow(tokens: &[&Token], prefix: &mut Path, paths: &mut Vec<Path>) -> usize {
    let mut at = 0;
    while tokens
        .get(at..at + 2)
        .is_some_and(|two| two.iter().all(|one| one.is(":")))
    {
        at += 2;
        match tokens.get(at) {
            Some(open) if open.is("{") => {
                at += 1;
                while let Some(token) = tokens.get(at).filter(|token| !token.is("}")) {
                    at += 1;
                    if !token.is(",") {
                        let mut inner = prefix.clone();
                        inner.push(token.text.clone());
                        at += follow(&tokens[at..], &mut inner, paths);
                    }
                }
                return at + 1;
            }
            Some(token) if token.is("super") => {
                prefix.pop();
            }
            Some(token) => prefix.push(token.text.clone()),
            None => break,
        }
        at += 1;
    }
    paths.push(prefix.clone());
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files
            .iter()
            .map(|(path, text)| Source::new(&format!("crates/pgl-x/src/{path}"), text))
            .collect();
        let tree = Tree {
            sources,
            ..Tree::default()
        };
        let all = check(&tree).into_iter();
        all.map(|one| format!("{}: {}", one.path, one.what))
            .collect()
    }

    #[test]
    fn files_that_use_each_other_are_named() {
        let direct = [
            ("a.rs", "use crate::{b::{One, Two}, c};"),
            ("b.rs", "fn f() { crate::a::g() }"),
            ("c.rs", "use std::fmt;"),
        ];
        assert_eq!(
            found(&direct),
            [
                "crates/pgl-x/src/a.rs: uses b, which comes back to it",
                "crates/pgl-x/src/b.rs: uses a, which comes back to it"
            ]
        );
        let round = [
            ("d/mod.rs", "use crate::e::One;"),
            ("d/x.rs", "use super::y::Two; use super::super::e;"),
            ("d/y.rs", "use crate::f::Three;"),
            ("e.rs", "use crate::f;"),
            ("f.rs", "use crate::d::x::Four;"),
        ];
        assert_eq!(found(&round).len(), 5);
    }

    #[test]
    fn one_direction_parts_and_tests_are_fine() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::One;"),
            ("a/mod.rs", "mod part; use part::Two; use crate::b::Three;"),
            ("a/part.rs", "use super::One; use crate::b;"),
            ("b.rs", "#[cfg(test)] mod tests { use crate::a::One; }"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
