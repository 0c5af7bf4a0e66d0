//! The examination: all checks over the facts, the plan, the verdict; and the script of fixes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cutover::{Purpose, refusal};
use crate::doc::Verdict;
use crate::facts::{Facts, NotRun};
use crate::plan::{self, Plan};
use crate::rules::{self, Check};
use crate::setup::{CopyMode, Stage, left_to_steps};
use crate::{Finding, Severity, Side, plural};

mod script;

pub use script::fix_script;

/// Which checks to run. An entry is an id or a family: `tbl.no_key`, `tbl`, `tbl.*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Run only these; empty means all.
    pub only: Vec<String>,
    /// Do not run these.
    pub skip: Vec<String>,
    /// Whether warnings forbid the migration too.
    pub strictness: Strictness,
}

/// What forbids going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Blocking findings.
    #[default]
    Normal,
    /// Warnings as well.
    Strict,
}

impl Choice {
    /// Entries of `only` and `skip` that name no check; a typing error must not pass as "clean".
    pub fn unknown(&self) -> Vec<&str> {
        self.only
            .iter()
            .chain(&self.skip)
            .map(String::as_str)
            .filter(|entry| !rules::all().any(|check| names(entry, check.id)))
            .collect()
    }

    fn takes(&self, id: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|entry| names(entry, id)))
            && !self.skip.iter().any(|entry| names(entry, id))
    }
}

/// Which checks block, in words; `ids` has each once.
pub fn blocked_by(ids: &[String]) -> String {
    let checks = plural(ids.len(), "check");
    format!("blocked by {checks}: {}", ids.join(", "))
}

fn names(entry: &str, id: &str) -> bool {
    let family = entry.trim_end_matches(".*").trim_end_matches('.');
    entry == id || id.split_once('.').is_some_and(|(head, _)| head == family)
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckState {
    /// The check.
    pub id: String,
    /// What became of it.
    pub state: CheckOutcome,
    /// Why it did not run; null otherwise.
    pub reason: Option<String>,
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// It ran and found nothing.
    Passed,
    /// It ran and found something.
    Found,
    /// The facts that it needs could not be read, or no target was given.
    NotRun,
    /// `--only` or `--skip` left it out.
    Skipped,
}

/// How many of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingCounts {
    /// Blocking findings.
    pub block: usize,
    /// Warnings.
    pub warn: usize,
    /// Findings that are good to know.
    pub info: usize,
    /// Checks that ran and found nothing.
    pub passed: usize,
    /// Checks that could not run.
    pub not_run: usize,
}

/// Whether the target was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum TargetState {
    /// It was.
    Examined,
    /// Its server was; the database does not exist yet.
    DatabaseMissing,
    /// No target was given: its checks did not run.
    NotGiven,
    /// It could not be reached: its checks did not run.
    Unreachable {
        /// What libpq or the server said.
        message: String,
    },
}

impl TargetState {
    fn of(facts: &Facts) -> Self {
        match &facts.target {
            None => Self::NotGiven,
            Some(target) => match target.server.identity.get() {
                Err(NotRun(message)) => Self::Unreachable { message },
                Ok(_) if target.stood_in => Self::DatabaseMissing,
                Ok(_) => Self::Examined,
            },
        }
    }
}

/// The result of an examination.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// Findings, the most severe first, then in catalogue order.
    pub findings: Vec<Finding>,
    /// Every check with what became of it, in catalogue order.
    pub checks: Vec<CheckState>,
    /// The plan; none where the source's tables could not be read.
    pub plan: Option<Plan>,
    /// Whether the target was looked at.
    pub target: TargetState,
    /// Numbers.
    pub counts: FindingCounts,
    /// The answer.
    pub verdict: Verdict,
    /// Ids that stand behind a verdict of "no", sorted.
    pub blocked_by: Vec<String>,
}

/// What `pgl-preflight` answers: the chosen checks, unless this or another migration of these databases was cut over or an
/// attempt at that is not over. Then that is the answer, and there is nothing to fix.
pub fn preflight(facts: &Facts, choice: &Choice) -> Examined {
    let other = || Some(facts.other_cutover()?.2);
    let Some(refusal) = refusal(&facts.cutover(), Purpose::Fix)
        .or_else(|| other().and_then(|state| refusal(&state, Purpose::Fix)))
    else {
        return examine(facts, choice);
    };
    let only = Choice {
        only: vec![rules::CUTOVER.to_owned()],
        ..Choice::default()
    };
    let mut examined = examine(facts, &only);
    for check in &mut examined.checks {
        if check.state == CheckOutcome::Skipped {
            check.state = CheckOutcome::NotRun;
            check.reason = Some(refusal.what.clone());
        }
    }
    examined.counts = count(&examined.findings, &examined.checks);
    examined
}

/// Runs the chosen checks over the facts.
pub fn examine(facts: &Facts, choice: &Choice) -> Examined {
    examine_with(rules::all(), facts, choice)
}

fn examine_with<'a>(
    checks: impl Iterator<Item = &'a Check>,
    facts: &Facts,
    choice: &Choice,
) -> Examined {
    let bar = match choice.strictness {
        Strictness::Normal => Severity::Block,
        Strictness::Strict => Severity::Warn,
    };
    let mut findings = Vec::new();
    let mut states = Vec::new();
    // Whether a check that could have blocked did not run: then nobody can say that nothing blocks.
    let mut undecided = false;
    for check in checks {
        let (state, reason) = if choice.takes(check.id) {
            let before = findings.len();
            let ran = check.run(facts, &mut findings);
            let later = drop_of_stand_in(facts, &mut findings, before);
            if facts.in_setup() && left_to_setup(check.id) {
                for finding in &mut findings[before..] {
                    finding.severity = Severity::Info;
                    finding.remedy =
                        "pgl-setup has begun this migration: run it again, it recognises its own work."
                            .to_owned();
                }
            }
            match ran {
                // What a check found before it ran out of facts stands.
                _ if findings.len() > before => (CheckOutcome::Found, None),
                // The check runs again when pgl-setup has created the database.
                _ if later => {
                    let reason = "the target's database does not exist yet";
                    (CheckOutcome::NotRun, Some(reason.to_owned()))
                }
                Ok(()) => (CheckOutcome::Passed, None),
                Err(NotRun(reason)) => {
                    undecided |=
                        check.text.severity <= bar && !of_missing_database(facts, check.id);
                    (CheckOutcome::NotRun, Some(reason))
                }
            }
        } else {
            (CheckOutcome::Skipped, None)
        };
        states.push(CheckState {
            id: check.id.to_owned(),
            state,
            reason,
        });
    }
    findings.sort_by_key(|finding| finding.severity);
    let counts = count(&findings, &states);
    let blocked: BTreeSet<&str> = findings
        .iter()
        .filter(|finding| finding.severity <= bar)
        .map(|finding| finding.id.as_str())
        .collect();
    let blocked_by: Vec<String> = blocked.into_iter().map(str::to_owned).collect();
    let concluded = states
        .iter()
        .any(|s| matches!(s.state, CheckOutcome::Passed | CheckOutcome::Found));
    let target = TargetState::of(facts);
    let verdict = if matches!(target, TargetState::Unreachable { .. }) {
        Verdict::Unknown
    } else if !blocked_by.is_empty() {
        Verdict::No
    } else if undecided || !concluded {
        Verdict::Unknown
    } else {
        Verdict::Ok
    };
    Examined {
        plan: plan::build(facts).ok(),
        target,
        findings,
        checks: states,
        counts,
        verdict,
        blocked_by,
    }
}

/// Whether a check is about the properties of the target's database, which does not exist yet: pgl-setup creates it as the
/// source's is.
fn of_missing_database(facts: &Facts, id: &str) -> bool {
    facts.stood_in() && (id.starts_with("loc.") || id == "conf.connection_limit")
}

/// Takes back what was found about the database that stood in for the target's; says whether there was any.
fn drop_of_stand_in(facts: &Facts, findings: &mut Vec<Finding>, before: usize) -> bool {
    if !facts.stood_in() {
        return false;
    }
    let found = findings.len();
    let of_database = |finding: &Finding| {
        let family = ["loc.", "tbl.", "seq.", "obj.", "type.", "repl."];
        finding.side == Side::Target
            && (family.iter().any(|family| finding.id.starts_with(family))
                || ["act.writers_on_target", "role.create_on_db"].contains(&finding.id.as_str()))
    };
    let mut at = 0;
    findings.retain(|finding| {
        at += 1;
        at <= before || !of_database(finding)
    });
    findings.len() < found
}

/// What an interrupted pgl-setup leaves to be found, and looks at again in its own steps.
fn left_to_setup(id: &str) -> bool {
    let left = |stage| left_to_steps(id, stage, CopyMode::Parallel);
    left(Stage::Continued) && !left(Stage::Fresh)
}

fn count(findings: &[Finding], states: &[CheckState]) -> FindingCounts {
    let of = |severity| {
        let of = findings.iter().filter(|one| one.severity == severity);
        of.count()
    };
    let ended = |state| states.iter().filter(|check| check.state == state).count();
    FindingCounts {
        block: of(Severity::Block),
        warn: of(Severity::Warn),
        info: of(Severity::Info),
        passed: ended(CheckOutcome::Passed),
        not_run: ended(CheckOutcome::NotRun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::NotRun;
    use crate::rules::{On, Run, Text};

    fn checks() -> Vec<Check> {
        let fires = Run::Facts(|_, emit| {
            emit.find(Side::Source, "two\nlines; DROP TABLE x")
                .object("x")
                .sql("SELECT 1".to_owned());
            emit.find(Side::Source, "again")
                .sql("SELECT 1".to_owned())
                .needs_restart();
            Ok(())
        });
        let blocks = Run::Facts(|_, emit| {
            emit.find(Side::Target, "bad").remedy("mend it");
            Ok(())
        });
        vec![
            check("aa.fires", Severity::Warn, fires),
            check("aa.silent", Severity::Block, Run::Facts(|_, _| Ok(()))),
            check(
                "bb.blind",
                Severity::Block,
                Run::Facts(|_, _| Err(NotRun("no target given".into()))),
            ),
            check("bb.blocks", Severity::Block, blocks),
        ]
    }

    fn check(id: &'static str, severity: Severity, run: Run) -> Check {
        let text = Text {
            severity,
            side: On::Both,
            guardrail: false,
            title: String::new(),
            why: String::new(),
            remedy: String::new(),
        };
        Check { id, text, run }
    }

    fn with(only: &[&str], skip: &[&str], strictness: Strictness) -> Examined {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let choice = Choice {
            only: own(only),
            skip: own(skip),
            strictness,
        };
        examine_with(checks().iter(), &Facts::default(), &choice)
    }

    #[test]
    fn of_a_database_that_does_not_exist_yet_nothing_is_said() {
        use crate::rules::testing::{clean, known, target};
        let mut facts = clean();
        let name = known(&mut target(&mut facts).server.identity)
            .database
            .clone();
        for database in known(&mut target(&mut facts).server.databases) {
            if database.name == name {
                database.encoding = "LATIN1".into();
            }
        }
        let ids = |facts: &Facts| -> BTreeSet<String> {
            let found = examine(facts, &Choice::default()).findings;
            found.into_iter().map(|finding| finding.id).collect()
        };
        assert!(ids(&facts).contains("loc.encoding"));
        target(&mut facts).stood_in = true;
        let examined = examine(&facts, &Choice::default());
        assert!(!ids(&facts).contains("loc.encoding"));
        assert!(ids(&facts).contains("conn.target_database"));
        let check = examined
            .checks
            .iter()
            .find(|check| check.id == "loc.encoding");
        assert_eq!(check.map(|check| check.state), Some(CheckOutcome::NotRun));
    }

    #[test]
    fn what_an_interrupted_setup_left_does_not_block_the_next_one() {
        use crate::rules::testing::{clean, known, target};
        let mut facts = clean();
        known(&mut target(&mut facts).objects.relations).retain(|one| one.name != "orders");
        let blocked = |facts: &Facts| examine(facts, &Choice::default()).blocked_by;
        assert!(blocked(&facts).contains(&"tbl.missing_on_target".to_owned()));
        known(&mut target(&mut facts).record).begun = true;
        assert!(!blocked(&facts).contains(&"tbl.missing_on_target".to_owned()));
        // Once it replicates, a missing table stops it for good.
        let names = facts.names().unwrap();
        *known(&mut target(&mut facts).server.pglogical) = Some(crate::facts::server::Pglogical {
            local_node: Some(names.subscriber_node),
            subscriptions: vec![crate::facts::server::PglogicalSubscription {
                name: names.subscription,
                ..crate::facts::server::PglogicalSubscription::default()
            }],
            ..crate::facts::server::Pglogical::default()
        });
        assert!(blocked(&facts).contains(&"tbl.missing_on_target".to_owned()));
    }

    #[test]
    fn a_target_that_was_not_looked_at_is_never_ready() {
        use crate::rules::testing::{clean, target};
        let look = |facts: &Facts| {
            let examined = examine(facts, &Choice::default());
            (examined.verdict, examined.target)
        };
        let mut facts = clean();
        assert_eq!(look(&facts), (Verdict::Ok, TargetState::Examined));
        target(&mut facts).stood_in = true;
        // Its server does not list what does not exist yet.
        target(&mut facts).server.databases = crate::facts::Section::Known(Vec::new());
        assert_eq!(look(&facts), (Verdict::Ok, TargetState::DatabaseMissing));
        target(&mut facts).server.identity = crate::facts::Section::Unknown("refused".into());
        let message = "refused".to_owned();
        assert_eq!(
            look(&facts),
            (Verdict::Unknown, TargetState::Unreachable { message })
        );
        facts.target = None;
        assert_eq!(look(&facts), (Verdict::Unknown, TargetState::NotGiven));
    }

    #[test]
    fn every_check_is_accounted_for_and_the_worst_comes_first() {
        let examined = with(&[], &[], Strictness::Normal);
        let states: Vec<CheckOutcome> = examined.checks.iter().map(|c| c.state).collect();
        assert_eq!(
            states,
            [
                CheckOutcome::Found,
                CheckOutcome::Passed,
                CheckOutcome::NotRun,
                CheckOutcome::Found
            ]
        );
        assert_eq!(examined.findings[0].id, "bb.blocks");
        assert_eq!(examined.verdict, Verdict::No);
        assert_eq!(examined.blocked_by, ["bb.blocks"]);
        assert_eq!(
            examined.counts,
            FindingCounts {
                block: 1,
                warn: 2,
                info: 0,
                passed: 1,
                not_run: 1
            }
        );
    }

    #[test]
    fn families_select_and_strictness_raises_the_bar() {
        let family = with(&["aa"], &[], Strictness::Normal);
        assert_eq!(family.verdict, Verdict::Ok);
        assert_eq!(
            with(&["aa.*"], &[], Strictness::Strict).blocked_by,
            ["aa.fires"]
        );
        assert_eq!(
            with(&["bb.blind"], &[], Strictness::Normal).verdict,
            Verdict::Unknown
        );
        // A check that could have blocked did not run: that another one passed does not make it "ok".
        let blind = with(&["aa", "bb.blind"], &[], Strictness::Normal);
        assert_eq!(blind.verdict, Verdict::Unknown);
        assert_eq!(blind.target, TargetState::NotGiven);
        assert_eq!(
            with(&["aa"], &["aa.fires"], Strictness::Strict).verdict,
            Verdict::Ok
        );
    }

    #[test]
    fn a_misspelt_id_is_noticed() {
        let choice = Choice {
            only: vec!["no.such".into()],
            ..Choice::default()
        };
        assert_eq!(choice.unknown(), ["no.such"]);
    }
}
