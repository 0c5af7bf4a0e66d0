//! The vocabulary: what people read is in the words of PostgreSQL's manual, and a module is named with them.

use super::lex::Kind;
use super::rule::Violation;
use super::tree::Tree;

/// Phrases that no text for people contains, and what stands for them.
const REFUSED: &[(&str, &str)] = &[
    ("old home", "source, or former source"),
    ("new home", "target, or promoted target"),
    ("the switch", "the cutover"),
    ("hook-switched", "hook-promoted"),
    ("taken back", "rolled back"),
    ("take back", "roll back"),
    ("takes writes", "accepts writes"),
    ("take writes", "accept writes"),
    ("the pause", "the write outage"),
    ("the wall", "the write-block triggers"),
    ("things are in the way", "failed preconditions"),
    ("held back", "deferred, or retained"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("carry over", "copy"),
    ("carries over", "copies"),
    ("carried over", "copied"),
    ("has travelled", "was replicated"),
    ("travels", "is replicated"),
    ("the way back", "reverse replication"),
    ("lets us in", "login succeeds"),
    ("stands at", "is at"),
    ("stands in", "is in"),
    ("nobody streams", "inactive"),
    ("somebody else", "another role, session or server"),
    ("by hand", "manual steps, or who does it with what"),
    ("table without a key", "table without a replica identity"),
    ("tells", "reports"),
];

/// Names that say nothing to a reader of PostgreSQL's manual.
const MODULES: &[&str] = &[
    "answer", "aside", "by_hand", "consent", "crew", "drill", "fence", "gate", "ground", "held",
    "look", "moment", "note", "orphan", "own", "page", "pinned", "poison", "reading", "screen",
    "scrub", "settle", "told", "touched", "typed", "wall",
];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in tree.sources.iter().filter(|source| !source.development) {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        if MODULES.contains(&name.trim_end_matches(".rs")) {
            let what = "a module is named after what it holds, in the manual's words";
            found.push(Violation::new("vocabulary", &source.path, 0, what));
        }
        // clap takes its help from the comments of these files.
        let is_help = name == "args.rs";
        for token in source.tokens.iter().filter(|token| !token.test) {
            if token.kind == Kind::Str || is_help && token.text.starts_with("///") {
                refuse(&source.path, token.line, &token.text, &mut found);
            }
        }
    }
    for (path, text) in &tree.texts {
        if path == "README.md" || path.ends_with("rules/checks.toml") {
            for (at, line) in text.lines().enumerate() {
                refuse(path, at + 1, line, &mut found);
            }
        }
    }
    found
}

fn refuse(path: &str, line: usize, text: &str, found: &mut Vec<Violation>) {
    let lower = text.to_lowercase();
    for (phrase, instead) in REFUSED {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let alone = |(at, _): (usize, &str)| {
            !letter(lower[..at].chars().next_back())
                && !letter(lower[at + phrase.len()..].chars().next())
        };
        if lower.match_indices(phrase).any(alone) {
            let what = format!("says {phrase:?}; write {instead}");
            found.push(Violation::new("vocabulary", path, line, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Source;

    #[test]
    fn what_people_read_is_in_the_manuals_words() {
        let text = |text: &str| {
            let mut found = Vec::new();
            refuse("README.md", 1, text, &mut found);
            found.len()
        };
        assert_eq!(text("The switch: what was held back is mended by hand"), 3);
        assert_eq!(text("recommends, a mended table, the switches, standby"), 0);
    }

    #[test]
    fn strings_help_and_names_are_looked_at_and_comments_are_not() {
        let tree = Tree {
            sources: vec![
                Source::new(
                    "crates/pgl-x/src/wall.rs",
                    "// the wall\nconst A: &str = \"the wall\";",
                ),
                Source::new("crates/pgl-x/src/args.rs", "/// It tells more\nstruct A;"),
                Source::new(
                    "crates/pgl-testkit/src/wall.rs",
                    "const A: &str = \"the wall\";",
                ),
            ],
            ..Tree::default()
        };
        let found = check(&tree);
        let at: Vec<(&str, usize)> = found
            .iter()
            .map(|one| (one.path.as_str(), one.line))
            .collect();
        assert_eq!(
            at,
            [
                ("crates/pgl-x/src/wall.rs", 0),
                ("crates/pgl-x/src/wall.rs", 2),
                ("crates/pgl-x/src/args.rs", 1)
            ]
        );
    }
}
