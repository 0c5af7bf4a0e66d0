//! The files of the project, as git knows them, and which of them exist for tests only.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::lex::{self, Token};

/// A Rust file, read and cut into tokens.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    /// Whether all of it exists for tests or development only.
    pub(crate) development: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: lex::tokens(text),
            development: is_development(path),
        }
    }

    /// The crate that it belongs to: `pgl-core`, `xtask`, `tests`.
    pub(crate) fn package(&self) -> &str {
        let mut parts = self.path.split('/');
        match (parts.next(), parts.next()) {
            (Some("crates"), Some(name)) => name,
            (Some(first), _) => first,
            (None, _) => "",
        }
    }

    /// Tokens that are code, and those of the shipped program only.
    pub(crate) fn shipped(&self) -> Vec<&Token> {
        self.tokens
            .iter()
            .filter(|t| !self.development && !t.test && !t.is_comment())
            .collect()
    }

    /// All tokens that are code.
    pub(crate) fn code(&self) -> Vec<&Token> {
        self.tokens.iter().filter(|t| !t.is_comment()).collect()
    }

    /// Files that this one declares as `mod name;`, without `.rs`, and whether for tests only.
    fn modules(&self) -> Vec<(String, bool)> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let base = match file.trim_end_matches(".rs") {
            "lib" | "main" | "mod" => folder.to_owned(),
            name => format!("{folder}/{name}"),
        };
        self.code()
            .windows(3)
            .filter(|run| run[0].is("mod") && run[2].is(";"))
            .map(|run| (format!("{base}/{}", run[1].text), run[0].test))
            .collect()
    }
}

/// Whether nothing of this path is shipped: tests, benches, the test kit, the tasks.
fn is_development(path: &str) -> bool {
    let roots = [
        "tests/",
        "benches/",
        "xtask/",
        "crates/pgl-manual/",
        "crates/pgl-testkit/",
    ];
    roots.iter().any(|root| path.starts_with(root))
        || path.contains("/tests/")
        || path.contains("/benches/")
}

/// Every file of the project.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// All paths, sorted.
    pub(crate) paths: Vec<String>,
    /// The Rust files.
    pub(crate) sources: Vec<Source>,
    /// Paths that a `mod name;` leads to, without `.rs` and `/mod.rs`.
    pub(crate) modules: BTreeSet<String>,
    /// The other text files, with their content.
    pub(crate) texts: Vec<(String, String)>,
}

impl Tree {
    /// Reads what git tracks or would add; without git, everything but `target`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut paths = listed_by_git(root).unwrap_or_default();
        if paths.is_empty() {
            walk(root, "", &mut paths)?;
        }
        paths.retain(|path| root.join(path).is_file());
        paths.sort();
        if paths.is_empty() {
            bail!("{} holds no files", root.display());
        }
        let mut files = Vec::new();
        for path in &paths {
            let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
            // A file that is no text (an image in the documentation) has no rules here.
            if let Ok(text) = String::from_utf8(bytes) {
                files.push((path.clone(), text));
            }
        }
        Ok(Self::of(files))
    }

    /// A tree of these files.
    pub(crate) fn of(files: Vec<(String, String)>) -> Self {
        let mut tree = Self {
            paths: files.iter().map(|(path, _)| path.clone()).collect(),
            ..Self::default()
        };
        for (path, text) in files {
            if path.ends_with(".rs") {
                tree.sources.push(Source::new(&path, &text));
            } else {
                tree.texts.push((path, text));
            }
        }
        let modules: Vec<(String, bool)> = tree.sources.iter().flat_map(Source::modules).collect();
        let tests = modules.iter().filter(|(_, test)| *test);
        let marked: BTreeSet<String> = tests.map(|(module, _)| module.clone()).collect();
        tree.modules = modules.into_iter().map(|(module, _)| module).collect();
        for source in &mut tree.sources {
            let stem = source.path.trim_end_matches(".rs");
            let inside = |module: &String| {
                stem == module
                    || stem
                        .strip_prefix(module.as_str())
                        .is_some_and(|r| r.starts_with('/'))
            };
            source.development |= marked.iter().any(inside);
        }
        tree
    }

    /// The text of a file that is not Rust.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts
            .iter()
            .find(|(p, _)| p == path)
            .map(|(_, text)| text.as_str())
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path, under: &str, paths: &mut Vec<String>) -> Result<()> {
    let folder = root.join(under);
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if under.is_empty() {
            name.clone()
        } else {
            format!("{under}/{name}")
        };
        if entry.file_type()?.is_dir() {
            if !(under.is_empty() && ["target", ".git"].contains(&name.as_str())) {
                walk(root, &path, paths)?;
            }
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_for_tests_is_development() {
        let tree = Tree::of(vec![
            (
                "crates/a/src/lib.rs".into(),
                "#[cfg(test)]\nmod tests;\nmod real;".into(),
            ),
            ("crates/a/src/tests.rs".into(), "fn x() {}".into()),
            ("crates/a/src/tests/deep.rs".into(), "fn x() {}".into()),
            (
                "crates/a/src/real.rs".into(),
                "#[cfg(test)] mod more;".into(),
            ),
            ("crates/a/src/real/more.rs".into(), "fn x() {}".into()),
            ("tests/main.rs".into(), "fn x() {}".into()),
        ]);
        let development: Vec<bool> = tree.sources.iter().map(|s| s.development).collect();
        assert_eq!(development, [false, true, true, false, true, true]);
    }

    #[test]
    fn a_path_names_its_package() {
        assert_eq!(
            Source::new("crates/pgl-core/src/lib.rs", "").package(),
            "pgl-core"
        );
        assert_eq!(Source::new("xtask/src/main.rs", "").package(), "xtask");
    }
}
