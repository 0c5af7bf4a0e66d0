//! Test support of the rules: facts of a clean pair of servers, and a table of cases that every
//! check must stand in.
//!
//! Each family file has a `CASES` list beside its `CHECKS`. A case changes one thing in
//! [`clean`] facts and says whether the check must then fire, and how severely. The tests at the
//! end hold the two lists equal: a check without a firing and a silent case fails them.

pub(crate) mod objects;
pub(crate) mod server;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::all;
use crate::facts::{Facts, MigrationRecord, NotRun, Section, ServerFacts};
use crate::preflight::fix_script;
use crate::{Finding, Severity};

/// One change to clean facts, and what a check must make of it.
pub(crate) struct Case {
    id: &'static str,
    when: &'static str,
    expect: Option<Severity>,
    change: fn(&mut Facts),
}

/// After this change the check must give at least one finding, the first of this severity.
pub(crate) const fn fires(
    id: &'static str,
    severity: Severity,
    when: &'static str,
    change: fn(&mut Facts),
) -> Case {
    Case {
        id,
        when,
        expect: Some(severity),
        change,
    }
}

/// After this change, which a careless check would take for a hazard, it must stay silent.
pub(crate) const fn silent(id: &'static str, when: &'static str, change: fn(&mut Facts)) -> Case {
    Case {
        id,
        when,
        expect: None,
        change,
    }
}

/// A pair of clean, properly configured servers: 13 as the source, 17 as the target.
pub(crate) fn clean() -> Facts {
    Facts {
        source: ServerFacts {
            server: server::clean_source(),
            objects: objects::clean(),
            record: Section::Known(MigrationRecord::default()),
            ..ServerFacts::default()
        },
        target: Some(ServerFacts {
            server: server::clean_target(),
            objects: objects::clean(),
            record: Section::Known(MigrationRecord::default()),
            ..ServerFacts::default()
        }),
        link: server::clean_link(),
        generated: Section::Known(Vec::new()),
        ..Facts::default()
    }
}

/// The value of a section that the baseline knows; for changing it.
pub(crate) fn known<T>(section: &mut Section<T>) -> &mut T {
    match section {
        Section::Known(value) => value,
        Section::Unknown(reason) => panic!("the baseline does not know this section: {reason}"),
    }
}

/// Facts of which every section is known, and empty.
pub(crate) fn nothing_unknown<T: Default + Serialize + DeserializeOwned>() -> T {
    let mut facts = serde_json::to_value(T::default()).expect("facts are JSON");
    for section in facts.as_object_mut().expect("sections").values_mut() {
        *section = json!({"known": []});
    }
    serde_json::from_value(facts).expect("an empty list, or a fact of which all is left out")
}

/// The target's facts, for changing them.
pub(crate) fn target(facts: &mut Facts) -> &mut ServerFacts {
    facts.target.as_mut().expect("the baseline has a target")
}

/// Runs the check of this id.
pub(crate) fn run(id: &str, facts: &Facts) -> (Vec<Finding>, Result<(), NotRun>) {
    let mut findings = Vec::new();
    let check = all()
        .find(|check| check.id == id)
        .unwrap_or_else(|| panic!("no check is called {id}"));
    let ran = check.run(facts, &mut findings);
    (findings, ran)
}

/// The cases of all families.
const CASES: &[&[Case]] = &[
    super::conn::CASES,
    super::ver::CASES,
    super::conf::logical::CASES,
    super::conf::capacity::CASES,
    super::conf::timeouts::CASES,
    super::conf::text::CASES,
    super::conf::apply::CASES,
    super::conf::general::CASES,
    super::cap::CASES,
    super::role::rights::CASES,
    super::role::names::CASES,
    super::role::grants::CASES,
    super::role::pglogical::CASES,
    super::repl::CASES,
    super::cutover::CASES,
    super::ext::CASES,
    super::loc::CASES,
    super::act::CASES,
    objects::tbl::CASES,
    objects::target::CASES,
    objects::typ::CASES,
    objects::data::CASES,
    objects::obj::CASES,
    super::obj::existing::CASES,
    objects::seq::CASES,
];

fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().flat_map(|family| family.iter())
}

#[test]
fn every_case_holds() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mut facts = clean();
        (case.change)(&mut facts);
        let (findings, ran) = run(case.id, &facts);
        if let Err(NotRun(reason)) = ran {
            wrong.push(format!("{}: {}: not run: {reason}", case.id, case.when));
        }
        let seen = findings.first().map(|finding| finding.severity);
        if seen != case.expect {
            wrong.push(format!(
                "{}: {}: expected {:?}, found {findings:#?}",
                case.id, case.when, case.expect
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_fix_drops_or_ends_anything() {
    for sql in [
        "DROP TABLE x",
        "ALTER TABLE x drop CONSTRAINT y",
        "SELECT pg_drop_replication_slot('x')",
        "SELECT pglogical.drop_subscription('x');",
        "SELECT pg_replication_origin_drop('x')",
        "SELECT pg_terminate_backend(1);",
        "ROLLBACK PREPARED 'x'",
        "TRUNCATE x",
    ] {
        assert!(super::destroys(sql), "{sql}");
    }
    for sql in [
        "ALTER TABLE \"drop\" ALTER COLUMN \"truncate\" DROP NOT NULL;",
        "ALTER ROLE x SET search_path = 'drop table'",
        "CREATE ROLE dropper",
    ] {
        assert!(!super::destroys(sql), "{sql}");
    }
    let mut manual = 0;
    for case in cases() {
        let mut facts = clean();
        (case.change)(&mut facts);
        for finding in run(case.id, &facts).0 {
            manual += usize::from(finding.manual_sql.is_some());
            let sql = finding.sql.as_deref().unwrap_or_default();
            assert!(!super::destroys(sql), "{}: {}: {sql}", case.id, case.when);
            let script = fix_script(std::slice::from_ref(&finding), finding.fix_side);
            let statements: Vec<&str> = script
                .lines()
                .filter(|line| !line.starts_with("--"))
                .collect();
            assert!(!super::destroys(&statements.join("\n")), "{script}");
        }
    }
    assert!(manual > 0, "no case has manual SQL");
}

#[test]
fn every_check_has_a_firing_and_a_silent_case() {
    let mut missing = Vec::new();
    for check in all() {
        if !cases().any(|case| case.id == check.id && case.expect.is_some()) {
            missing.push(format!("{}: no firing case", check.id));
        }
        let (findings, _) = run(check.id, &clean());
        let by_case = cases().any(|case| case.id == check.id && case.expect.is_none());
        if !findings.is_empty() && !by_case {
            missing.push(format!("{}: no silent case", check.id));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn clean_servers_give_nothing_above_info() {
    for check in all() {
        let (findings, ran) = run(check.id, &clean());
        assert_eq!(ran, Ok(()), "{} did not run on clean facts", check.id);
        for finding in findings {
            assert_eq!(finding.severity, Severity::Info, "{finding:#?}");
        }
    }
}

#[test]
fn facts_survive_a_recording() {
    let facts = clean();
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
}

#[test]
fn checks_are_described() {
    let mut seen = std::collections::BTreeSet::new();
    for check in all() {
        assert!(seen.insert(check.id), "{} stands twice", check.id);
        let (family, name) = check.id.split_once('.').unwrap();
        for part in [family, name] {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(!part.is_empty() && part.chars().all(plain), "{}", check.id);
        }
        for text in [&check.text.why, &check.text.remedy] {
            assert!(text.ends_with('.'), "{}: {text}", check.id);
        }
        assert!(
            !check.text.title.is_empty() && !check.text.title.ends_with('.'),
            "{}",
            check.id
        );
    }
}

#[test]
fn nothing_known_gives_no_finding_and_no_panic() {
    let facts = Facts::default();
    for check in all() {
        let (findings, _) = run(check.id, &facts);
        assert!(
            findings.is_empty(),
            "{} on no facts: {findings:#?}",
            check.id
        );
    }
}
