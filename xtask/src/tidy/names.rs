//! No two public types of the shipped crates have one name: whoever reads a signature knows what is meant.

use std::collections::BTreeMap;

use super::rule::Violation;
use super::tree::{Source, Tree};

/// Each crate may have one of its own, by custom.
const CUSTOM: &str = "Error";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in tree.sources.iter().filter(|source| !source.development) {
        for name in public_types(source) {
            places.entry(name).or_default().push(&source.path);
        }
    }
    places.remove(CUSTOM);
    let mut found = Vec::new();
    for (name, paths) in &places {
        for other in paths.iter().skip(1) {
            let what = format!("{name} is a public type of {}, too", paths[0]);
            found.push(Violation::new("one-name", *other, 0, what));
        }
    }
    found
}

fn public_types(source: &Source) -> Vec<String> {
    let tokens = source.shipped();
    let all = tokens.windows(3).filter(|three| {
        let kind = three[1].text.as_str();
        three[0].is("pub") && ["struct", "enum", "trait", "type"].contains(&kind)
    });
    all.map(|three| three[2].text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_two_public_types_have_is_found() {
        let files = [
            (
                "pgl-x/src/a.rs",
                "pub struct Rows; pub(crate) struct Row; pub enum Error {}",
            ),
            (
                "pgl-y/src/b.rs",
                "pub enum Rows { Row } pub struct Row; pub struct Error;",
            ),
            (
                "pgl-y/src/c.rs",
                "#[cfg(test)] mod tests { pub struct Row; }",
            ),
        ];
        let sources = files.map(|(path, text)| Source::new(&format!("crates/{path}"), text));
        let tree = Tree {
            sources: sources.into(),
            ..Tree::default()
        };
        let found: Vec<String> = (check(&tree).into_iter())
            .map(|one| format!("{}: {}", one.path, one.what))
            .collect();
        assert_eq!(
            found,
            ["crates/pgl-y/src/b.rs: Rows is a public type of crates/pgl-x/src/a.rs, too"]
        );
    }
}
