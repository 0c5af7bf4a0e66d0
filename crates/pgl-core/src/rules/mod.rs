//! The checks. One file per family, whose `CHECKS` has each check's stable id and beside it its predicate, a pure
//! function from facts to findings. Their texts are in `checks.toml`; `pgl-preflight --list-checks` and the documentation are made from both.

mod act;
mod cap;
mod common;
mod conf;
mod conn;
mod cutover;
mod data;
mod ext;
mod loc;
mod obj;
mod repl;
mod role;
mod seq;
mod tbl;
#[cfg(test)]
pub(crate) mod testing;
mod typ;
mod type_fit;
mod ver;

use std::collections::HashMap;
use std::sync::LazyLock;

use common::Fix;
pub use common::some_of;
pub(crate) use conf::text::shadows;
pub(crate) use cutover::CUTOVER;

use serde::{Deserialize, Serialize};

use crate::facts::objects::{Relation, View};
use crate::facts::server::{Override, ServerState, Setting};
use crate::facts::{Facts, NotRun};
use crate::rights::{Right, remedy_of};
use crate::{Finding, Severity, Side};
pub(crate) use tbl::columns::recompute_sql;
use tbl::target::Both;

/// What a check function returns: `Err` when the facts that it needs are missing.
pub type Ran = Result<(), NotRun>;

/// What a check looks at, and its predicate.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Everything that was read.
    Facts(fn(&Facts, &mut Emit<'_>) -> Ran),
    /// Each server for itself. One that could not be looked at does not keep the other from being checked.
    Each(fn(Side, &ServerState, &mut Emit<'_>) -> Ran),
    /// One parameter of the servers that the check is about: its name, a value that is right, and what is wrong, if so.
    Setting(
        &'static str,
        &'static str,
        fn(Side, &Setting) -> Option<String>,
    ),
    /// The source's server.
    Source(fn(&ServerState, &mut Emit<'_>) -> Ran),
    /// The target's server.
    Target(fn(&ServerState, &mut Emit<'_>) -> Ran),
    /// The source's server against the target's.
    Pair(fn(&ServerState, &ServerState, &mut Emit<'_>) -> Ran),
    /// The source's objects.
    Objects(fn(&View<'_>, &mut Emit<'_>) -> Ran),
    /// Each table of the source that pglogical can carry.
    Carried(fn(&View<'_>, &Relation, &mut Emit<'_>) -> Ran),
    /// The source's tables against those of a target that has any of them.
    Both(fn(&Both<'_>, &mut Emit<'_>) -> Ran),
}

/// A check's id in `checks.toml`, and its predicate.
struct Rule(&'static str, Run);

/// One constructor for each kind, so that a predicate stands beside its id.
const fn facts(id: &'static str, run: fn(&Facts, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Facts(run))
}

const fn each(id: &'static str, run: fn(Side, &ServerState, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Each(run))
}

const fn setting(
    id: &'static str,
    (name, good): (&'static str, &'static str),
    wrong: fn(Side, &Setting) -> Option<String>,
) -> Rule {
    Rule(id, Run::Setting(name, good, wrong))
}

const fn source(id: &'static str, run: fn(&ServerState, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Source(run))
}

const fn target(id: &'static str, run: fn(&ServerState, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Target(run))
}

const fn pair(id: &'static str, run: fn(&ServerState, &ServerState, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Pair(run))
}

const fn objects(id: &'static str, run: fn(&View<'_>, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Objects(run))
}

const fn carried(id: &'static str, run: fn(&View<'_>, &Relation, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Carried(run))
}

const fn both(id: &'static str, run: fn(&Both<'_>, &mut Emit<'_>) -> Ran) -> Rule {
    Rule(id, Run::Both(run))
}

/// Which servers a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// The source.
    Source,
    /// The target.
    Target,
    /// Each of them, or the difference between them.
    Both,
}

impl On {
    /// `source`, `target` or `both`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Both => "both",
        }
    }
}

/// What `checks.toml` says of a check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Severity of its findings unless the facts say otherwise.
    pub severity: Severity,
    /// Where it looks.
    pub side: On,
    /// Whether the cutover runs it again as a guardrail.
    #[serde(default)]
    pub guardrail: bool,
    /// What it looks for, in one line.
    pub title: String,
    /// Why it matters, in one sentence that a tired DBA understands.
    pub why: String,
    /// What to do, in general; a finding may be more exact. Where a right is lacking, the table of rights says it.
    #[serde(default)]
    pub remedy: String,
}

/// One check. Its JSON is its line in the catalogue.
#[derive(Serialize)]
pub struct Check {
    /// Stable id, `family.name`.
    pub id: &'static str,
    /// Its text.
    #[serde(flatten)]
    pub text: Text,
    /// What it looks at, and its predicate.
    #[serde(skip)]
    pub(crate) run: Run,
}

impl Check {
    /// Adds what it finds.
    pub fn run(&self, facts: &Facts, findings: &mut Vec<Finding>) -> Ran {
        let source = &facts.source.server;
        let emit = &mut Emit {
            check: self,
            facts,
            findings,
        };
        match self.run {
            Run::Facts(run) => run(facts, emit),
            Run::Each(run) => each_server(facts, |side, server| run(side, server, emit)),
            Run::Setting(name, good, wrong) => {
                let mut look = |side, server: &ServerState| {
                    let setting = server.known_setting(name)?;
                    if let Some(what) = setting.and_then(|setting| wrong(side, setting)) {
                        emit.set((side, server), (name, good), what)?;
                    }
                    Ok(())
                };
                match self.text.side {
                    On::Source => look(Side::Source, source),
                    On::Target => look(Side::Target, &facts.target()?.server),
                    On::Both => each_server(facts, look),
                }
            }
            Run::Source(run) => run(source, emit),
            Run::Target(run) => run(&facts.target()?.server, emit),
            Run::Pair(run) => run(source, &facts.target()?.server, emit),
            Run::Objects(run) => run(&View::source(facts)?, emit),
            Run::Carried(run) => {
                let view = View::source(facts)?;
                view.carried().try_for_each(|one| run(&view, one, emit))
            }
            Run::Both(run) => Both::of(facts)?.map_or(Ok(()), |both| run(&both, emit)),
        }
    }
}

/// Looks at the source, and at the target where there is one.
fn each_server(facts: &Facts, mut look: impl FnMut(Side, &ServerState) -> Ran) -> Ran {
    let of_side = |side, NotRun(reason)| NotRun(format!("{side}: {reason}"));
    let ran: Vec<Ran> = (facts.sides())
        .map(|(side, one)| look(side, &one.server).map_err(|error| of_side(side, error)))
        .collect();
    ran.into_iter().collect()
}

static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the file is part of the program; a test reads it"
    )]
    let mut texts: HashMap<String, Text> =
        toml::from_str(include_str!("checks.toml")).expect("checks.toml is valid");
    let checks = FAMILIES.iter().flat_map(|family| family.iter());
    let checks = checks
        .map(|Rule(id, run)| {
            let text = texts.remove(*id);
            let mut text = text.unwrap_or_else(|| panic!("{id} is not in checks.toml"));
            if let Some(remedy) = remedy_of(id) {
                assert!(text.remedy.is_empty(), "the table of rights has {id}");
                text.remedy = remedy;
            }
            assert!(!text.remedy.is_empty(), "{id} has no remedy");
            Check {
                id,
                text,
                run: *run,
            }
        })
        .collect();
    assert!(texts.is_empty(), "checks without a function: {texts:?}");
    checks
});

/// All checks, in the order of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter()
}

const FAMILIES: &[&[Rule]] = &[
    conn::CHECKS,
    ver::CHECKS,
    conf::logical::CHECKS,
    conf::capacity::CHECKS,
    conf::timeouts::CHECKS,
    conf::text::CHECKS,
    conf::apply::CHECKS,
    conf::general::CHECKS,
    cap::CHECKS,
    role::rights::CHECKS,
    role::names::CHECKS,
    role::grants::CHECKS,
    role::pglogical::CHECKS,
    repl::CHECKS,
    cutover::CHECKS,
    ext::CHECKS,
    loc::CHECKS,
    act::CHECKS,
    tbl::keys::CHECKS,
    tbl::kinds::CHECKS,
    tbl::columns::CHECKS,
    tbl::links::CHECKS,
    tbl::behaviour::CHECKS,
    tbl::shape::CHECKS,
    tbl::target::relations::CHECKS,
    tbl::target::columns::CHECKS,
    tbl::target::constraints::CHECKS,
    typ::CHECKS,
    data::CHECKS,
    obj::relations::CHECKS,
    obj::code::CHECKS,
    obj::database::CHECKS,
    obj::existing::CHECKS,
    seq::state::CHECKS,
    seq::compare::CHECKS,
    seq::nature::CHECKS,
    seq::hot::CHECKS,
];

/// Whether SQL drops an object, ends a session or undoes a transaction. `DROP NOT NULL` is none of
/// these: the column and its rows stay.
fn destroys(sql: &str) -> bool {
    let words = sql_words(sql);
    let mut each = words.iter().enumerate();
    each.any(|(at, word)| match word.as_str() {
        "drop" => words.get(at + 1).is_none_or(|next| next != "not"),
        "truncate" | "delete" | "rollback" | "reassign" => true,
        other => ["drop_", "_drop", "_terminate_"]
            .iter()
            .any(|part| other.contains(part)),
    })
}

/// The words of SQL in lower case, without what is in quotes: a name may be any word.
fn sql_words(sql: &str) -> Vec<String> {
    let mut quote = None;
    let blank = |c: char| match quote {
        Some(open) => {
            quote = quote.filter(|_| c != open);
            ' '
        }
        None if matches!(c, '\'' | '"') => {
            quote = Some(c);
            ' '
        }
        None => c,
    };
    let bare: String = sql.chars().map(blank).collect();
    bare.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Takes the findings of one check.
pub(crate) struct Emit<'a> {
    check: &'a Check,
    facts: &'a Facts,
    findings: &'a mut Vec<Finding>,
}

impl Emit<'_> {
    /// Adds a finding with the check's own severity, reason and remedy; refine it through the
    /// returned reference.
    pub(crate) fn find(&mut self, side: Side, what: impl Into<String>) -> Draft<'_> {
        self.findings.push(Finding {
            id: self.check.id.to_owned(),
            severity: self.check.text.severity,
            side,
            object: None,
            what: what.into(),
            why: self.check.text.why.clone(),
            remedy: self.check.text.remedy.clone(),
            sql: None,
            manual_sql: None,
            fix_side: side,
            restart: false,
        });
        let last = self.findings.len() - 1;
        Draft {
            finding: &mut self.findings[last],
        }
    }

    /// Adds a finding about a server parameter, with the remedy that sets it.
    fn set(
        &mut self,
        (side, server): (Side, &ServerState),
        (name, good): (&str, &str),
        what: impl Into<String>,
    ) -> Result<Draft<'_>, NotRun> {
        let fix = common::set_parameter(server, name, good)?;
        Ok(self.find(side, what).object(name).fix(fix))
    }

    /// Adds a finding about what a database or role overrides, with the SQL that resets it.
    fn overridden(&mut self, side: Side, name: &str, found: &Override, value: &str) -> Draft<'_> {
        let scope = found.scope();
        self.find(side, format!("{name} is {value} for {scope}"))
            .object(scope)
            .sql(found.reset_sql())
    }
}

/// A finding being refined.
pub(crate) struct Draft<'a> {
    finding: &'a mut Finding,
}

impl Draft<'_> {
    /// Names the object.
    pub(crate) fn object(self, object: impl ToString) -> Self {
        self.finding.object = Some(object.to_string());
        self
    }

    /// Overrides the severity, where it depends on the facts.
    pub(crate) fn severity(self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// A more exact remedy.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        self.finding.remedy = remedy.into();
        self
    }

    /// SQL that fixes it, where there is any, to be run on the finding's `fix_side`. What drops or ends something goes to
    /// the manual steps: no check can know that nobody else needs it.
    pub(crate) fn sql(self, sql: impl Into<Option<String>>) -> Self {
        match sql.into() {
            Some(sql) if destroys(&sql) => self.manual_sql(sql),
            Some(sql) => {
                self.finding.sql = Some(sql);
                self
            }
            None => self,
        }
    }

    /// A statement more, where there are some.
    pub(crate) fn more_sql(self, sql: Option<String>) -> Self {
        if let (Some(all), Some(sql)) = (&mut self.finding.sql, sql) {
            all.push_str(&format!("\n{sql}"));
        }
        self
    }

    /// SQL that only a person may run, who knows what depends on it.
    pub(crate) fn manual_sql(self, sql: impl Into<String>) -> Self {
        self.finding.manual_sql = Some(sql.into());
        self
    }

    /// Where the remedy applies, if not where the finding is.
    pub(crate) fn fix_on(self, side: Side) -> Self {
        self.finding.fix_side = side;
        self
    }

    /// How the right is given to a role on this server.
    pub(crate) fn right(
        self,
        right: &Right,
        server: &ServerState,
        role: &str,
    ) -> Result<Self, NotRun> {
        self.right_on("", right, server, role)
    }

    /// Likewise, for an object (quoted).
    pub(crate) fn right_on(
        self,
        object: &str,
        right: &Right,
        server: &ServerState,
        role: &str,
    ) -> Result<Self, NotRun> {
        let grantee = server.grantee(role)?;
        Ok(self
            .remedy(right.remedy(&grantee))
            .sql(right.sql(&grantee, object)))
    }

    /// A more exact reason.
    pub(crate) fn why(self, why: impl Into<String>) -> Self {
        self.finding.why = why.into();
        self
    }

    /// A remedy made for the server at hand.
    fn fix(self, fix: Fix) -> Self {
        self.finding.remedy = fix.text;
        self.finding.sql = fix.sql;
        self.finding.restart = fix.restart;
        self
    }

    /// The remedy needs a server restart.
    pub(crate) fn needs_restart(self) -> Self {
        self.finding.restart = true;
        self
    }
}
