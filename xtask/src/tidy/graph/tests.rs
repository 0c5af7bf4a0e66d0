//! Graphs that are right and graphs that are not.

use super::*;

/// A graph of `name: dependency, dev:dependency …` lines; names without a line are foreign.
fn graph(lines: &[&str]) -> Metadata {
    let split = |line: &str| -> (String, Vec<(String, Option<&str>)>) {
        let (name, rest) = line.split_once(':').unwrap();
        let deps = rest
            .split_whitespace()
            .map(|word| match word.strip_prefix("dev-of:") {
                Some(name) => (name.to_owned(), Some("dev")),
                None => (word.to_owned(), None),
            });
        (name.to_owned(), deps.collect())
    };
    let own: Vec<_> = lines.iter().map(|line| split(line)).collect();
    let mut names: BTreeSet<String> = own.iter().map(|(name, _)| name.clone()).collect();
    names.extend(
        own.iter()
            .flat_map(|(_, deps)| deps.iter().map(|(name, _)| name.clone())),
    );
    let deps_of = |name: &String| {
        own.iter()
            .find(|(own, _)| own == name)
            .map(|(_, deps)| deps.clone())
            .unwrap_or_default()
    };
    Metadata {
        packages: names
            .iter()
            .map(|name| Package {
                id: name.clone(),
                name: name.clone(),
                license: Some("MIT".into()),
                source: Some("registry+x".into()),
                manifest_path: format!("/r/crates/{name}/Cargo.toml"),
                dependencies: deps_of(name)
                    .into_iter()
                    .map(|(name, kind)| Dependency {
                        name,
                        rename: None,
                        kind: kind.map(str::to_owned),
                    })
                    .collect(),
            })
            .collect(),
        workspace_members: own.iter().map(|(name, _)| name.clone()).collect(),
        resolve: Resolve {
            nodes: names
                .iter()
                .map(|name| Node {
                    id: name.clone(),
                    deps: deps_of(name)
                        .into_iter()
                        .map(|(pkg, kind)| Edge {
                            pkg,
                            dep_kinds: vec![EdgeKind {
                                kind: kind.map(str::to_owned),
                            }],
                        })
                        .collect(),
                })
                .collect(),
        },
    }
}

fn broken(lines: &[&str]) -> Vec<(&'static str, String)> {
    let metadata = graph(lines);
    let graph = Graph::new(&metadata, Path::new("/r"));
    let mut all = graph.direction();
    all.extend(graph.reach());
    all.extend(graph.drivers());
    all.into_iter().map(|v| (v.rule, v.what)).collect()
}

#[test]
fn the_right_graph_breaks_nothing() {
    let lines = [
        "pgl-core: serde",
        "pgl-conn: pgl-core postgres",
        "pgl-catalog: pgl-core pgl-conn dev-of:pgl-testkit",
        "pgl-apply: pgl-catalog",
        "pgl-cli: pgl-conn",
        "pgl-testkit: pgl-conn",
        "pgl-status: pgl-cli pgl-catalog",
        "pgl-setup: pgl-apply pgl-cli",
        "pgl: pgl-status pgl-setup dev-of:pgl-testkit",
    ];
    assert_eq!(broken(&lines), []);
}

#[test]
fn a_dependency_against_the_direction_is_found() {
    let found = broken(&["pgl-core: pgl-conn", "pgl-conn:"]);
    assert_eq!(
        found,
        [("direction", "pgl-core must not use pgl-conn".to_owned())]
    );
    let unknown = broken(&["pgl-new: serde"]);
    assert_eq!(unknown[0].0, "direction");
}

#[test]
fn a_read_only_tool_reaches_apply_through_another_crate() {
    let found = broken(&[
        "pgl-core:",
        "pgl-apply:",
        "pgl-catalog: pgl-core helper",
        "pgl-verify: pgl-catalog",
        "helper: pgl-apply",
    ]);
    let way = "reaches it: pgl-verify → pgl-catalog → helper → pgl-apply";
    assert!(found.contains(&("read-only", way.to_owned())), "{found:?}");
}

#[test]
fn core_reaches_no_driver() {
    let found = broken(&["pgl-core: helper", "helper: openssl"]);
    let way = "reaches it: pgl-core → helper → openssl";
    assert!(found.contains(&("pure-core", way.to_owned())), "{found:?}");
}

#[test]
fn the_tasks_build_before_openssl_is_there() {
    let found = broken(&["pgl-testkit: openssl", "xtask: pgl-testkit"]);
    let way = "reaches it: xtask → pgl-testkit → openssl";
    assert!(
        found.contains(&("setup-first", way.to_owned())),
        "{found:?}"
    );
}

#[test]
fn the_testkit_is_not_shipped() {
    let found = broken(&["pgl-testkit:", "pgl-status: pgl-testkit", "pgl: pgl-status"]);
    assert_eq!(
        found.iter().filter(|f| f.0 == "development").count(),
        2,
        "{found:?}"
    );
}

#[test]
fn only_conn_depends_on_the_driver_even_in_tests() {
    let found = broken(&["pgl-catalog: dev-of:postgres"]);
    assert_eq!(
        found,
        [(
            "driver-in-conn",
            "pgl-catalog depends on postgres".to_owned()
        )]
    );
}

#[test]
fn foreign_sources_and_licences_are_found() {
    let mut metadata = graph(&["pgl-core: a b c"]);
    for package in &mut metadata.packages {
        match package.name.as_str() {
            "a" => package.license = Some("GPL-3.0-only".into()),
            "b" => package.source = Some("git+https://example.com/b".into()),
            _ => {}
        }
    }
    let found = Graph::new(&metadata, Path::new("/r")).sources();
    let whats: Vec<&str> = found.iter().map(|v| v.what.as_str()).collect();
    assert_eq!(whats, ["a: GPL-3.0-only", "b does not come from crates.io"]);
}

#[test]
fn a_dependency_that_no_code_names_is_found() {
    let metadata = graph(&["pgl-core: serde serde-json"]);
    let source = (
        "crates/pgl-core/src/lib.rs".to_owned(),
        "//! serde_json\nuse serde::X;".to_owned(),
    );
    let found = Graph::new(&metadata, Path::new("/r")).unused(&Tree::of(vec![source]));
    let whats: Vec<&str> = found.iter().map(|v| v.what.as_str()).collect();
    assert_eq!(whats, ["serde-json is never named in crates/pgl-core/"]);
}
