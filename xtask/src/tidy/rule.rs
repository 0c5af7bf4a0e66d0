//! The invariants, and what breaking one looks like.

use std::fmt;

/// One invariant. `crates/ARCHITECTURE.md` names each by its id; a rule holds the two equal.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Stable id.
    pub(crate) id: &'static str,
    /// What always holds.
    pub(crate) invariant: &'static str,
}

/// Every invariant that is proved.
pub(crate) const RULES: &[Rule] = &[
    rule(
        "direction",
        "dependencies point one way: core, conn, catalog, apply; cli uses core and conn",
    ),
    rule(
        "read-only",
        "pgl-preflight, pgl-status and pgl-verify never reach pgl-apply, not even transitively",
    ),
    rule(
        "pure-core",
        "pgl-core reaches no driver and names no files, network, environment or clock",
    ),
    rule(
        "development",
        "no shipped crate reaches pgl-testkit, pgl-manual or xtask except as a dev-dependency",
    ),
    rule(
        "setup-first",
        "xtask builds without OpenSSL, whose headers it installs",
    ),
    rule(
        "driver-in-conn",
        "only pgl-conn depends on the PostgreSQL driver and on TLS, or names postgres::Client",
    ),
    rule(
        "answers-in-conn",
        "only pgl-conn reads values out of rows: what cannot be read is an error that names it",
    ),
    rule("pg-env-in-conn", "only pgl-conn reads PG* variables"),
    rule("cli-prints", "only pgl-cli writes to stdout and stderr"),
    rule("sql-place", "SQL lives in pgl-catalog and pgl-apply"),
    rule(
        "sql-comment",
        "every .sql file begins with a comment that says what it yields",
    ),
    rule(
        "sql-ascii",
        "every .sql file of a crate is ASCII: a server converts a statement before it reads it, comments too",
    ),
    rule(
        "sql-old",
        "statements avoid what servers before 9.5, 12 or 13 misread, and some lack: IS right after an operator, USING (oid), min(lsn), XML",
    ),
    rule("sql-used", "every .sql file is included somewhere"),
    rule(
        "vocabulary",
        "texts for people and names of modules are in the words of PostgreSQL's manual",
    ),
    rule(
        "one-way",
        "no two files of a crate use each other, but a module and its parts",
    ),
    rule(
        "one-name",
        "no two public types have one name, but for the Error of a crate",
    ),
    rule("main-size", "main.rs of a tool has at most six lines"),
    rule("module-doc", "every Rust file begins with a module comment"),
    rule(
        "orphans",
        "every Rust file is compiled: a `mod` leads to it",
    ),
    rule("no-ignore", "no test is ignored"),
    rule(
        "no-todo",
        "nothing is left as todo!, unimplemented! or a FIXME",
    ),
    rule(
        "no-allow",
        "lints are excepted by #[expect] with a reason, never by #[allow]",
    ),
    rule(
        "scripts",
        "scripts stop at errors and excuse `|| true` with a comment",
    ),
    rule(
        "shellcheck",
        "scripts pass shellcheck, where it is installed",
    ),
    rule("lints", "every crate inherits the lints of the workspace"),
    rule(
        "dependencies",
        "dependencies are declared once, in the workspace, and each one is used",
    ),
    rule(
        "sources",
        "dependencies come from crates.io under a licence that fits Apache-2.0",
    ),
    rule("top-level", "the top level holds only what is listed"),
    rule(
        "portable",
        "no file names a path of one machine or a package registry's host",
    ),
    rule(
        "architecture",
        "crates/ARCHITECTURE.md names every invariant and every crate",
    ),
    rule("exceptions", "every listed exception is still needed"),
];

const fn rule(id: &'static str, invariant: &'static str) -> Rule {
    Rule { id, invariant }
}

/// A place where an invariant is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The file, relative to the root.
    pub(crate) path: String,
    /// Counted from 1; 0 where the whole file is meant.
    pub(crate) line: usize,
    /// Id of the rule.
    pub(crate) rule: &'static str,
    /// What was seen.
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn new(
        rule: &'static str,
        path: impl Into<String>,
        line: usize,
        what: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            line,
            rule,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invariant = RULES
            .iter()
            .find(|rule| rule.id == self.rule)
            .map_or("unknown rule", |rule| rule.invariant);
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": [{}] {}\n    ({invariant})", self.rule, self.what)
    }
}

/// A place where a rule is known not to hold, and why that is right.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) rule: &'static str,
    /// A file, or a folder ending in `/`.
    pub(crate) path: &'static str,
    pub(crate) reason: &'static str,
}

impl Exception {
    pub(crate) fn covers(&self, violation: &Violation) -> bool {
        self.rule == violation.rule
            && (self.path == violation.path
                || self.path.ends_with('/') && violation.path.starts_with(self.path))
    }
}

/// All exceptions. One that covers nothing any more is itself a violation.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    except(
        "cli-prints",
        "crates/pgl-manual/src/write.rs",
        "the generator behind cargo xtask gen: a development program, never installed",
    ),
    except(
        "driver-in-conn",
        "Cargo.toml",
        "a dev-dependency of the end-to-end tests, which look at servers by other means than ours",
    ),
    except(
        "driver-in-conn",
        "tests/",
        "likewise: what a test proves, it proves by other means than the code under test",
    ),
    except(
        "driver-in-conn",
        "crates/pgl-testkit/",
        "what a test proves, it proves by other means than the connection code under test",
    ),
    except(
        "scripts",
        "crates/pgl-testkit/src/cluster/keeper.sh",
        "has to remove the server's files however the server ended",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/facts/server/settings.rs",
        "the remedy for a setting, as text for people; this crate can reach no server",
    ),
    except(
        "cli-prints",
        "xtask/",
        "a development task, never installed; its output is for the developer's terminal",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/roles.rs",
        "statements of roles: pgl-preflight prints them and pgl-apply runs them, made in one place",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/rights.rs",
        "what gives a right is printed for a person to run",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/plan/manual_steps.rs",
        "what a person has to do, in words that begin like a statement",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/status/causes/",
        "remedies are text for people: pgl-core can reach no server, and pgl-status cannot write",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/verify/fix.rs",
        "statements that mend a difference, as text for people; no tool runs them",
    ),
    except(
        "sql-place",
        "crates/pgl-verify/src/run.rs",
        "the last line of the script that mends differences, as text for people",
    ),
    except(
        "sql-place",
        "crates/pgl-verify/src/lsn_wait.rs",
        "a setting of its own session for one transaction; no object is named",
    ),
    except(
        "sql-place",
        "crates/pgl-verify/src/snapshot_pair.rs",
        "time limits of its own session; no object is named",
    ),
    except(
        "sql-place",
        "crates/pgl-verify/src/pool.rs",
        "a setting of its own session; no object is named",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/definitions.rs",
        "pg_dump's own statements and kinds, recognised by how they begin",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/setup/archive.rs",
        "pg_dump's own statements, recognised by how they begin, and one of them split in two",
    ),
    except(
        "sql-place",
        "crates/pgl-setup/src/dry.rs",
        "what a dry run shows for two steps; what runs is pgl-apply's own",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/cutover/",
        "what a block changes, and what undoes it, is made and noted as data before anything is changed",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/seqsync/decide.rs",
        "the statement that a dry run shows; what runs is pgl-apply's own, for many sequences at once",
    ),
    except(
        "sql-place",
        "crates/pgl-conn/",
        "pins the session's output environment and reads it back before anybody else may speak",
    ),
    except(
        "sql-place",
        "crates/pgl-core/src/rules/",
        "remedies are text for people: pgl-core can reach no server, and no read-only tool runs them",
    ),
];

const fn except(rule: &'static str, path: &'static str, reason: &'static str) -> Exception {
    Exception { rule, path, reason }
}

/// Takes out what is excepted; reports exceptions that are no longer needed.
pub(crate) fn filter(found: Vec<Violation>, exceptions: &[Exception]) -> Vec<Violation> {
    let mut needed = vec![false; exceptions.len()];
    let mut left: Vec<Violation> = found
        .into_iter()
        .filter(|violation| {
            let cover = exceptions.iter().position(|e| e.covers(violation));
            if let Some(at) = cover {
                needed[at] = true;
            }
            cover.is_none()
        })
        .collect();
    for (exception, needed) in exceptions.iter().zip(needed) {
        if !needed {
            left.push(Violation::new(
                "exceptions",
                exception.path,
                0,
                format!(
                    "the exception from {} covers nothing; remove it",
                    exception.rule
                ),
            ));
        }
    }
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[Exception] = &[
        except("cli-prints", "xtask/", "why"),
        except("lints", "a", "why"),
    ];

    #[test]
    fn an_exception_covers_its_rule_and_path_only() {
        let of = |rule, path: &str| Violation::new(rule, path, 1, "x");
        let left = filter(
            vec![
                of("cli-prints", "xtask/src/a.rs"),
                of("cli-prints", "xtasks/a.rs"),
                of("no-todo", "xtask/src/a.rs"),
                of("lints", "a"),
            ],
            LIST,
        );
        let paths: Vec<&str> = left.iter().map(|v| v.path.as_str()).collect();
        assert_eq!(paths, ["xtask/src/a.rs", "xtasks/a.rs"]);
    }

    #[test]
    fn an_exception_that_covers_nothing_is_reported() {
        let left = filter(vec![Violation::new("lints", "a", 0, "x")], LIST);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].rule, "exceptions");
        assert_eq!(left[0].path, "xtask/");
    }

    #[test]
    fn a_message_names_place_rule_and_invariant() {
        let text = Violation::new("no-todo", "crates/a/src/b.rs", 7, "todo!").to_string();
        assert!(
            text.starts_with("crates/a/src/b.rs:7: [no-todo] todo!"),
            "{text}"
        );
        assert!(text.contains("nothing is left"), "{text}");
    }

    #[test]
    fn every_exception_is_from_a_known_rule_and_has_a_reason() {
        for exception in EXCEPTIONS {
            assert!(
                RULES.iter().any(|rule| rule.id == exception.rule),
                "{exception:?}"
            );
            assert!(exception.reason.len() > 20, "{exception:?}");
        }
    }
}
