//! The documentation says what the programs do: exit codes, help, manual pages, completions.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use pgl_core::facts::server::Platform;
use pgl_core::rights::{self, Grantee};
use pgl_core::{Exit, ServerVersion};
use pgl_testkit::{Cluster, ClusterOptions, Tool};

use crate::common::{Documented, PROGRAMS};

fn file(path: &str) -> Result<String> {
    let path = pgl_manual::root().join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

#[test]
fn every_program_is_in_the_manual() {
    let mut ours: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
    let mut manual: Vec<&str> = pgl_manual::TOOLS.iter().map(|tool| tool.name).collect();
    ours.sort_unstable();
    manual.sort_unstable();
    assert_eq!(ours, manual);
}

#[test]
fn exit_codes_are_the_same_in_help_readme_and_manual_pages() -> Result<()> {
    let readme = file("README.md")?;
    for (exit, meaning) in Exit::TABLE {
        let row = format!("| {} | {meaning} |\n", exit.code());
        assert_eq!(readme.matches(&row).count(), 1, "{row}");
    }
    for program in PROGRAMS {
        let help = Tool::new(program.path)
            .arg("--help")
            .run()?
            .expect(0)?
            .stdout;
        let page = file(&format!("crates/pgl-manual/man/{}.1", program.name))?;
        // The help is wrapped to the width of the terminal; the page is not.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let help = words(&help);
        for (exit, meaning) in Exit::TABLE {
            let in_help = format!(" {} {}", exit.code(), words(meaning));
            assert!(
                help.contains(&in_help),
                "{}: {in_help:?} is not in --help",
                program.name
            );
            let in_page = format!(".TP\n\\fB{}\\fR\n{meaning}\n", exit.code());
            assert!(
                page.contains(&in_page),
                "{}: {in_page:?} is not in the page",
                program.name
            );
        }
    }
    Ok(())
}

#[test]
fn version_and_help_are_answers_on_stdout() -> Result<()> {
    for program in PROGRAMS {
        let version = Tool::new(program.path).arg("--version").run()?.expect(0)?;
        assert_eq!(
            version.stdout,
            format!("{} {}\n", program.name, env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(version.stderr, "");
        for flag in ["-h", "--help"] {
            let help = Tool::new(program.path).arg(flag).run()?.expect(0)?;
            assert!(
                help.stdout.contains(&format!("Usage: {}", program.name)),
                "{}",
                help.stdout
            );
            assert_eq!(help.stderr, "");
        }
    }
    Ok(())
}

#[test]
fn the_changelog_has_this_version_or_something_unreleased() -> Result<()> {
    let text = file("CHANGELOG.md")?;
    let heading = text
        .lines()
        .find(|line| line.starts_with("## "))
        .unwrap_or_default();
    let version = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(
        heading == "## [Unreleased]" || heading.starts_with(&version),
        "{heading}"
    );
    Ok(())
}

/// A database in which every question that README.md asks of a plan has an answer.
const EVERYTHING: &str = "
    CREATE TABLE ordinary (id serial PRIMARY KEY, v text);
    INSERT INTO ordinary (v) SELECT repeat('x', 100) FROM generate_series(1, 1000);
    CREATE TABLE keyless (v int);
    CREATE UNLOGGED TABLE fast (id int PRIMARY KEY);
    CREATE SEQUENCE alone;
    CREATE MATERIALIZED VIEW summed AS SELECT count(*) FROM ordinary;
    SELECT lo_create(0);";

#[test]
fn the_questions_to_jq_in_the_readme_have_answers() -> Result<()> {
    // Something has to block.
    let options = ClusterOptions::new()
        .unset("output_plugin_libraries")
        .set("wal_level", "replica");
    let cluster = Cluster::start(15, options)?;
    cluster.createdb("everything")?;
    cluster.sql("everything", EVERYTHING)?;
    let preflight = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .args(["--source", &cluster.dsn("everything"), "--format", "json"])
        .run()?
        .expect(1)?;
    preflight.document()?;
    let home = tempfile::TempDir::new()?;
    fs::write(home.path().join("plan.json"), &preflight.stdout)?;
    let readme = file("README.md")?;
    let questions: Vec<&str> = readme
        .lines()
        .filter(|line| line.starts_with("jq "))
        .collect();
    assert!(questions.len() >= 10, "{questions:?}");
    for question in questions {
        let answer = Command::new("sh")
            .args(["-euc", question])
            .current_dir(home.path())
            .output()
            .context("cannot run sh")?;
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{question}: {said}");
        assert!(
            !answer.stdout.trim_ascii().is_empty(),
            "{question} finds nothing"
        );
    }
    Ok(())
}

/// The guide for managed services has the statements of the table of rights, and every link leads somewhere.
#[test]
fn the_recipes_are_those_of_the_table_of_rights() -> Result<()> {
    let guide = file("crates/pgl-manual/guide/managed-services.md")?;
    let sql = |right: &rights::Right, platform, role: &str| -> Result<String> {
        let grantee = Grantee {
            role: role.to_owned(),
            platform,
            version: ServerVersion(170_011),
        };
        let sql = right.sql(&grantee, "").context("no statement")?;
        Ok(sql.replace('"', ""))
    };
    for (heading, platform) in [
        ("Amazon RDS for PostgreSQL", Platform::Rds),
        ("Google Cloud SQL for PostgreSQL", Platform::CloudSql),
        ("Google AlloyDB for PostgreSQL", Platform::AlloyDb),
        (
            "Azure Database for PostgreSQL flexible server",
            Platform::Azure,
        ),
    ] {
        let (_, section) = guide
            .split_once(&format!("\n## {heading}\n"))
            .with_context(|| heading.to_owned())?;
        let section = section.split("\n## ").next().unwrap_or_default();
        for right in [&rights::ADMINISTRATOR, &rights::REPLICATION] {
            let sql = sql(right, platform, "mover")?;
            assert!(section.contains(&sql), "{heading}: {sql}");
        }
        for line in sql(&rights::REVERSE_READ_PGLOGICAL, platform, "back")?.lines() {
            assert!(guide.contains(line), "{line}");
        }
    }
    for link in guide.split("][").skip(1) {
        let name = link.split(']').next().unwrap_or_default();
        assert!(guide.contains(&format!("\n[{name}]: https://")), "{name}");
    }
    assert!(file("README.md")?.contains("(crates/pgl-manual/guide/managed-services.md)"));
    Ok(())
}
