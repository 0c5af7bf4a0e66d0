//! Rules over the dependency graph, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::licence::fits;
use super::rule::Violation;
use super::text;
use super::tree::Tree;

/// What `cargo metadata` says, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
    source: Option<String>,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    rename: Option<String>,
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

/// Asks cargo, for the locked graph.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata is not understood")
}

/// Which of our own crates each may use, outside of its tests. A crate that is not here must be
/// added, with a thought for the direction.
const MAY_USE: &[(&str, &[&str])] = &[
    ("pgl-core", &[]),
    ("pgl-conn", &["pgl-core"]),
    ("pgl-catalog", &["pgl-core", "pgl-conn"]),
    ("pgl-apply", &["pgl-core", "pgl-conn", "pgl-catalog"]),
    ("pgl-cli", &["pgl-core", "pgl-conn"]),
    ("pgl-testkit", &["pgl-core", "pgl-conn"]),
    // The tasks install what the driver needs to build, so they must build without it.
    ("xtask", &["pgl-testkit"]),
    ("pgl-preflight", READING),
    ("pgl-status", READING),
    ("pgl-verify", READING),
    ("pgl-setup", WRITING),
    ("pgl-seqsync", WRITING),
    ("pgl-control", WRITING),
    ("pgl-control", WRITING),
    ("pgl-cutover", WRITING),
    ("pgl-teardown", WRITING),
];
const READING: &[&str] = &["pgl-core", "pgl-conn", "pgl-catalog", "pgl-cli"];
const WRITING: &[&str] = &[
    "pgl-core",
    "pgl-conn",
    "pgl-catalog",
    "pgl-cli",
    "pgl-apply",
];
/// Tools that must not be able to write.
const READ_ONLY: &[&str] = &["pgl-preflight", "pgl-status", "pgl-verify"];
/// Crates that are never shipped.
const DEVELOPMENT: &[&str] = &["pgl-manual", "pgl-testkit", "xtask"];
/// What reaches a server.
const DRIVERS: &[&str] = &[
    "openssl",
    "native-tls",
    "postgres",
    "tokio-openssl",
    "rustls",
    "tokio",
    "tokio-postgres",
];
/// All rules of this module. Paths in violations are relative to `root`.
pub(crate) fn check(metadata: &Metadata, root: &Path, tree: &Tree) -> Vec<Violation> {
    let graph = Graph::new(metadata, root);
    let mut found = graph.direction();
    found.extend(graph.reach());
    found.extend(graph.drivers());
    found.extend(graph.sources());
    found.extend(graph.unused(tree));
    found
}

struct Graph<'a> {
    members: Vec<&'a Package>,
    others: Vec<&'a Package>,
    names: BTreeMap<&'a str, &'a str>,
    nodes: BTreeMap<&'a str, &'a Node>,
    root: &'a Path,
}

impl<'a> Graph<'a> {
    fn new(metadata: &'a Metadata, root: &'a Path) -> Self {
        let (members, others) = metadata
            .packages
            .iter()
            .partition(|package| metadata.workspace_members.contains(&package.id));
        Self {
            members,
            others,
            names: metadata
                .packages
                .iter()
                .map(|p| (p.id.as_str(), p.name.as_str()))
                .collect(),
            nodes: metadata
                .resolve
                .nodes
                .iter()
                .map(|n| (n.id.as_str(), n))
                .collect(),
            root,
        }
    }

    fn manifest(&self, package: &Package) -> String {
        let path = Path::new(&package.manifest_path);
        path.strip_prefix(self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    fn is_member(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// Packages that this one uses when it is built for users, with the way there.
    fn reachable(&self, package: &'a Package) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut open = vec![(package.id.as_str(), vec![package.name.as_str()])];
        let mut seen = BTreeSet::from([package.id.as_str()]);
        while let Some((id, way)) = open.pop() {
            let Some(node) = self.nodes.get(id) else {
                continue;
            };
            for edge in &node.deps {
                let built = edge
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind.as_deref() != Some("dev"));
                let Some(name) = self.names.get(edge.pkg.as_str()) else {
                    continue;
                };
                if built && seen.insert(&edge.pkg) {
                    let mut longer = way.clone();
                    longer.push(name);
                    ways.insert(name, longer.clone());
                    open.push((&edge.pkg, longer));
                }
            }
        }
        ways
    }

    fn direction(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for member in &self.members {
            let own = member
                .dependencies
                .iter()
                .filter(|d| d.kind.as_deref() != Some("dev") && self.is_member(&d.name));
            let allowed = match member.name.as_str() {
                // The package of the binaries and the manual see every tool.
                "pgl" | "pgl-manual" => continue,
                name => MAY_USE.iter().find(|(crate_name, _)| *crate_name == name),
            };
            let Some((_, allowed)) = allowed else {
                let what = format!("{} is not in the table of directions", member.name);
                found.push(Violation::new("direction", self.manifest(member), 0, what));
                continue;
            };
            for dependency in own.filter(|d| !allowed.contains(&d.name.as_str())) {
                let what = format!("{} must not use {}", member.name, dependency.name);
                found.push(Violation::new("direction", self.manifest(member), 0, what));
            }
        }
        found
    }

    fn reach(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for member in &self.members {
            let ways = self.reachable(member);
            let mut forbid = |rule, names: &[&str]| {
                for way in names.iter().filter_map(|name| ways.get(name)) {
                    let what = format!("reaches it: {}", way.join(" → "));
                    found.push(Violation::new(rule, self.manifest(member), 0, what));
                }
            };
            if READ_ONLY.contains(&member.name.as_str()) {
                forbid("read-only", &["pgl-apply"]);
            }
            if member.name == "pgl-core" {
                forbid("pure-core", DRIVERS);
            }
            if member.name == "xtask" {
                forbid("setup-first", &["native-tls", "openssl", "openssl-sys"]);
            }
            if !DEVELOPMENT.contains(&member.name.as_str()) {
                forbid("development", DEVELOPMENT);
            }
        }
        found
    }

    fn drivers(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for member in self
            .members
            .iter()
            .filter(|member| member.name != "pgl-conn")
        {
            for dependency in member
                .dependencies
                .iter()
                .filter(|d| DRIVERS.contains(&d.name.as_str()))
            {
                let what = format!("{} depends on {}", member.name, dependency.name);
                found.push(Violation::new(
                    "driver-in-conn",
                    self.manifest(member),
                    0,
                    what,
                ));
            }
        }
        found
    }

    fn sources(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for package in &self.others {
            if !package
                .source
                .as_deref()
                .is_some_and(|s| s.starts_with("registry+"))
            {
                let what = format!("{} does not come from crates.io", package.name);
                found.push(Violation::new("sources", "Cargo.lock", 0, what));
            }
            if !package.license.as_deref().is_some_and(fits) {
                let licence = package.license.as_deref().unwrap_or("no licence field");
                let what = format!("{}: {licence}", package.name);
                found.push(Violation::new("sources", "Cargo.lock", 0, what));
            }
        }
        found
    }

    /// Dependencies of a member that its code never names.
    fn unused(&self, tree: &Tree) -> Vec<Violation> {
        let mut found = Vec::new();
        for member in &self.members {
            let manifest = self.manifest(member);
            let folder = match member.name.as_str() {
                "pgl" => "tests/",
                _ => manifest.trim_end_matches("Cargo.toml"),
            };
            for dependency in &member.dependencies {
                let name = dependency
                    .rename
                    .as_ref()
                    .unwrap_or(&dependency.name)
                    .replace('-', "_");
                // The package of the binaries uses each tool by its main.rs.
                let by_main = member.name == "pgl" && dependency.kind.is_none();
                if !by_main && !text::names_in_code(tree, folder, &name) {
                    let what = format!("{} is never named in {folder}", dependency.name);
                    found.push(Violation::new("dependencies", &manifest, 0, what));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
