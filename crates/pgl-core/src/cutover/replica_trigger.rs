//! Triggers and rules that fire for replicated rows: pglogical's apply worker runs their functions, as a superuser.

use serde::{Deserialize, Serialize};

use super::last_attempt::Direction;
use crate::QualifiedName;

/// A trigger, event trigger or rule that is enabled as REPLICA or ALWAYS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaTrigger {
    /// `trigger`, `event trigger` or `rule`.
    pub kind: String,
    /// Schema of its table; null for an event trigger.
    pub schema: Option<String>,
    /// Its table.
    pub table: Option<String>,
    /// Its name.
    pub name: String,
    /// `A` (always) or `R` (replica).
    pub enabled: String,
    /// The owner of its table, or of the event trigger.
    pub owner: String,
    /// The function and its owner; null for a rule.
    pub calls: Option<String>,
    /// The statement that disables it.
    pub off: String,
    /// The statement that enables it as it is.
    pub enable: String,
    /// Whether the other side has it as well: it is the schema's.
    #[serde(skip)]
    pub on_both: bool,
}

/// Whether a trigger or event trigger fires.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TriggerState {
    /// Schema of its table; null for an event trigger.
    pub schema: Option<String>,
    /// Its table.
    pub table: Option<String>,
    /// Its name.
    pub name: String,
    /// `O`, `A`, `R` or `D`, as in `pg_trigger.tgenabled`.
    pub enabled: String,
}

/// What was disabled because it fires for replicated rows, as the journal has it. The parts of the statement are null where it is gone, or
/// its state has been changed since.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DisabledTrigger {
    /// Its row of the journal.
    pub object: String,
    /// Schema of its table; null for an event trigger.
    pub schema: Option<String>,
    /// Its table.
    pub table: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// How it was; of one that is inherited, how its parent's was.
    pub enabled: String,
    /// Whether it is a partition's, and disabled because its parent's is.
    pub inherited: bool,
    /// The beginning of a statement that changes its state.
    pub alter: Option<String>,
    /// The end of it.
    pub which: String,
}

impl DisabledTrigger {
    /// The statement that gives it this state; none for one that is to stay disabled.
    pub fn enable(&self, state: &str) -> Option<String> {
        let word = match state {
            "A" => "ENABLE ALWAYS",
            "R" => "ENABLE REPLICA",
            "O" => "ENABLE",
            _ => return None,
        };
        let alter = self.alter.as_ref()?;
        Some(format!("{alter} {word}{}", self.which))
    }
}

impl ReplicaTrigger {
    fn same(&self, other: &Self) -> bool {
        (&self.kind, &self.schema, &self.table, &self.name)
            == (&other.kind, &other.schema, &other.table, &other.name)
            && self.enabled == other.enabled
            && self.calls == other.calls
    }

    /// For people.
    pub fn said(&self) -> String {
        let how = match self.enabled.as_str() {
            "A" => "ENABLE ALWAYS",
            _ => "ENABLE REPLICA",
        };
        let place = match (&self.schema, &self.table) {
            (Some(schema), Some(table)) => {
                format!(" on {}", QualifiedName::new(schema, table))
            }
            _ => String::new(),
        };
        let calls = match &self.calls {
            Some(calls) => format!(", calls {calls}"),
            None => String::new(),
        };
        format!(
            "{} {}{place} ({how}, owner {}{calls})",
            self.kind, self.name, self.owner
        )
    }
}

/// What to do about those that the source has as well. Disabled by a statement they would differ from the source's, whose states they get
/// at the promotion.
pub fn disable_copied(copied: &[&ReplicaTrigger]) -> String {
    let names: Vec<&str> = copied.iter().map(|one| one.name.as_str()).collect();
    format!(
        "what the source has as well ({}) is disabled until the cutover by: pgl-setup --step target.triggers",
        names.join(", ")
    )
}

/// Those that somebody has made where rows are applied, `here`. pgl-setup disables every trigger that fires for replicated rows until the
/// cutover, and no rule; for reverse replication, what the promoted target has as well was in the schema before.
pub fn replica_triggers(
    direction: Direction,
    here: &[ReplicaTrigger],
    there: &[ReplicaTrigger],
) -> Vec<ReplicaTrigger> {
    let mut all = here.to_vec();
    for one in &mut all {
        one.on_both = there.iter().any(|other| one.same(other));
    }
    all.retain(|one| !one.on_both || direction == Direction::Forward && one.kind != "rule");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_schema_had_before_is_told_from_what_somebody_has_made() {
        let trigger = ReplicaTrigger {
            kind: "trigger".to_owned(),
            schema: Some("app".to_owned()),
            table: Some("k".to_owned()),
            name: "e".to_owned(),
            enabled: "A".to_owned(),
            owner: "own".to_owned(),
            calls: Some("app.f() owned by own".to_owned()),
            ..ReplicaTrigger::default()
        };
        let rule = ReplicaTrigger {
            kind: "rule".to_owned(),
            calls: None,
            ..trigger.clone()
        };
        let other = ReplicaTrigger {
            calls: Some("app.g() owned by own".to_owned()),
            ..trigger.clone()
        };
        let here = [trigger.clone(), rule.clone()];
        let count =
            |direction, there: &[ReplicaTrigger]| replica_triggers(direction, &here, there).len();
        assert_eq!(count(Direction::Forward, &[]), 2);
        // pgl-setup had disabled the trigger.
        assert_eq!(
            replica_triggers(Direction::Forward, &here, &here),
            [ReplicaTrigger {
                on_both: true,
                ..trigger.clone()
            }]
        );
        assert_eq!(count(Direction::Back, &here), 0);
        assert_eq!(count(Direction::Back, &[other, rule]), 1);
        assert_eq!(
            trigger.said(),
            "trigger e on app.k (ENABLE ALWAYS, owner own, calls app.f() owned by own)"
        );
    }
}
