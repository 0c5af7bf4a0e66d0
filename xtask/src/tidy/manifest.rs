//! Rules over the manifests as they are written.

use super::rule::Violation;
use super::tree::Tree;

/// Inherited lints, and dependencies declared once.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let manifests: Vec<(&str, Vec<Line<'_>>)> = tree
        .texts
        .iter()
        .filter(|(path, _)| path == "Cargo.toml" || path.ends_with("/Cargo.toml"))
        .map(|(path, text)| (path.as_str(), lines(text)))
        .collect();
    let mut found = Vec::new();
    for (path, lines) in &manifests {
        found.extend(member(path, lines));
    }
    found.extend(workspace(&manifests));
    found
}

/// A `key = value` line and the section that it stands in.
struct Line<'a> {
    number: usize,
    section: &'a str,
    key: &'a str,
    value: &'a str,
}

/// The key-value lines of a manifest; enough of TOML for how manifests are written here.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut section = "";
    let mut out = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']);
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            out.push(Line {
                number: at + 1,
                section,
                key: key.trim(),
                value: value.trim(),
            });
        }
    }
    out
}

fn is_dependencies(section: &str) -> bool {
    section.ends_with("dependencies") && section != "workspace.dependencies"
}

/// The name of a dependency: `serde` of `serde.workspace`.
fn name<'a>(line: &Line<'a>) -> &'a str {
    line.key.split('.').next().unwrap_or(line.key)
}

fn member(path: &str, lines: &[Line<'_>]) -> Vec<Violation> {
    let mut found = Vec::new();
    let inherits = lines
        .iter()
        .any(|line| line.section == "lints" && line.key == "workspace" && line.value == "true");
    if !inherits {
        found.push(Violation::new(
            "lints",
            path,
            0,
            "no `[lints] workspace = true`",
        ));
    }
    for line in lines.iter().filter(|line| is_dependencies(line.section)) {
        let inherited = line.key.ends_with(".workspace") || line.value.contains("workspace = true");
        if !inherited {
            let what = format!("{} is declared here and not in the workspace", name(line));
            found.push(Violation::new("dependencies", path, line.number, what));
        }
    }
    found
}

fn workspace(manifests: &[(&str, Vec<Line<'_>>)]) -> Vec<Violation> {
    let used: Vec<&str> = manifests
        .iter()
        .flat_map(|(_, lines)| {
            lines
                .iter()
                .filter(|line| is_dependencies(line.section))
                .map(name)
        })
        .collect();
    let Some((path, lines)) = manifests.iter().find(|(path, _)| *path == "Cargo.toml") else {
        return Vec::new();
    };
    lines
        .iter()
        .filter(|line| line.section == "workspace.dependencies" && !used.contains(&name(line)))
        .map(|line| {
            let what = format!("no crate uses {}", name(line));
            Violation::new("dependencies", *path, line.number, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn broken(root: &str, member: &str) -> Vec<(&'static str, String, usize)> {
        let files = vec![
            ("Cargo.toml".to_owned(), root.to_owned()),
            ("crates/a/Cargo.toml".to_owned(), member.to_owned()),
        ];
        check(&Tree::of(files))
            .into_iter()
            .map(|v| (v.rule, v.path, v.line))
            .collect()
    }

    #[test]
    fn inherited_manifests_break_nothing() {
        let root = format!("{LINTS}[workspace.dependencies]\nserde = \"1\" # why\n");
        let member =
            format!("{LINTS}[dev-dependencies]\nserde = {{ workspace = true, features = [] }}\n");
        assert_eq!(broken(&root, &member), []);
        assert_eq!(
            broken(
                &root,
                &format!("{LINTS}[dependencies]\nserde.workspace = true\n")
            ),
            []
        );
    }

    #[test]
    fn missing_lints_are_found() {
        assert_eq!(
            broken(LINTS, "[package]\nname = \"a\"\n"),
            [("lints", "crates/a/Cargo.toml".into(), 0)]
        );
    }

    #[test]
    fn a_dependency_of_one_crate_alone_is_found() {
        let member = format!("{LINTS}[dependencies]\nserde = \"1\"\n");
        assert_eq!(
            broken(LINTS, &member),
            [("dependencies", "crates/a/Cargo.toml".into(), 4)]
        );
    }

    #[test]
    fn a_workspace_dependency_that_nobody_uses_is_found() {
        let root = format!("{LINTS}[workspace.dependencies]\nserde = \"1\"\n");
        assert_eq!(
            broken(&root, LINTS),
            [("dependencies", "Cargo.toml".into(), 4)]
        );
    }
}
