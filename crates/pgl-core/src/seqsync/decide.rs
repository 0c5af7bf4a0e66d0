//! From two readings to what is to be done. Pure: the same readings give the same tasks.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::walk::{beyond, compare, inside, next, shortly_after, used};
use super::{
    SequenceDifference, SequenceEntry, SequenceMode, SequenceOutcome, SequenceReading,
    SequenceRefusal, SequenceState,
};
use crate::{QualifiedName, quote_literal};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceRequest {
    /// How values are carried over.
    pub mode: SequenceMode,
    /// How many values further than the source.
    pub margin: u64,
    /// `--check`: judge, set nothing.
    pub check: bool,
    /// `--at-least-max-of-column`.
    pub at_least_column: bool,
}

/// One sequence: what is said about it so far, and what is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceTask {
    /// What is said about it. [`SequenceOutcome::WouldSet`] until it is done.
    pub entry: SequenceEntry,
    /// Object id on the source; 0 where it is missing there.
    pub source_oid: u32,
    /// Object id on the target; 0 where it is missing there.
    pub target_oid: u32,
}

/// Decides over all sequences. `wanted` names those of a plan, in order; without a plan every
/// sequence of the source is meant, and those only on the target are not looked at.
pub fn decide(
    request: SequenceRequest,
    source: &[SequenceReading],
    target: &[SequenceReading],
    wanted: Option<&[QualifiedName]>,
) -> Vec<SequenceTask> {
    let index = |readings: &'_ [SequenceReading]| -> BTreeMap<QualifiedName, usize> {
        let named = |(at, reading): (usize, &SequenceReading)| (reading.qualified(), at);
        readings.iter().enumerate().map(named).collect()
    };
    let (on_source, on_target) = (index(source), index(target));
    let names: Vec<QualifiedName> = match wanted {
        Some(names) => names.to_vec(),
        None => on_source.keys().cloned().collect(),
    };
    names
        .iter()
        .map(|name| {
            let source = on_source.get(name).map(|at| &source[*at]);
            let target = on_target.get(name).map(|at| &target[*at]);
            one(request, name, source, target)
        })
        .collect()
}

fn one(
    request: SequenceRequest,
    name: &QualifiedName,
    source: Option<&SequenceReading>,
    target: Option<&SequenceReading>,
) -> SequenceTask {
    let described = source.or(target);
    let entry = SequenceEntry {
        schema: name.schema.clone(),
        name: name.name.clone(),
        outcome: SequenceOutcome::Refused,
        source: source.and_then(SequenceReading::state),
        before: target.and_then(SequenceReading::state),
        wanted: None,
        after: None,
        owned_by: described.and_then(|reading| reading.owned_by.clone()),
        identity: described.is_some_and(|reading| reading.identity),
        why: None,
        differences: match (source, target) {
            (Some(source), Some(target)) => differences(source, target),
            _ => Vec::new(),
        },
        notes: Vec::new(),
        sql: None,
    };
    let mut task = SequenceTask {
        entry,
        source_oid: source.map_or(0, |reading| reading.oid),
        target_oid: target.map_or(0, |reading| reading.oid),
    };
    match judge(request, source, target, &mut task.entry) {
        Ok(outcome) => task.entry.outcome = outcome,
        Err(why) => task.entry.why = Some(why),
    }
    if matches!(
        task.entry.outcome,
        SequenceOutcome::Equal | SequenceOutcome::Kept
    ) {
        task.entry.after = task.entry.before;
    }
    if task.entry.outcome == SequenceOutcome::WouldSet {
        task.entry.sql = task
            .entry
            .wanted
            .map(|wanted| statement(request.mode, name, wanted));
    }
    task
}

fn statement(mode: SequenceMode, name: &QualifiedName, wanted: SequenceState) -> String {
    let name = quote_literal(&name.sql());
    match mode {
        SequenceMode::Exact => format!(
            "SELECT pg_catalog.setval({name}, {}, {});",
            wanted.last_value, wanted.is_called
        ),
        SequenceMode::Pglogical => format!("SELECT pglogical.synchronize_sequence({name});"),
    }
}

fn judge(
    request: SequenceRequest,
    source: Option<&SequenceReading>,
    target: Option<&SequenceReading>,
    entry: &mut SequenceEntry,
) -> Result<SequenceOutcome, SequenceRefusal> {
    let source = source.ok_or(SequenceRefusal::MissingOnSource)?;
    let target = target.ok_or(SequenceRefusal::MissingOnTarget)?;
    let from = source.state().ok_or(SequenceRefusal::UnreadableOnSource)?;
    let to = target.state().ok_or(SequenceRefusal::UnreadableOnTarget)?;
    if source.ascends() != target.ascends() {
        return Err(SequenceRefusal::OtherDirection);
    }
    let wanted = match request.mode {
        SequenceMode::Exact => exact(request, source, target, from, entry)?,
        SequenceMode::Pglogical => ahead(source, target, from, entry)?,
    };
    entry.wanted = Some(wanted);
    let base = match request.mode {
        SequenceMode::Exact => wanted,
        SequenceMode::Pglogical => from,
    };
    goes_on((source, base), (target, wanted), entry)?;
    if request.check {
        return check((source, base), (target, to), entry);
    }
    if to == wanted {
        return Ok(SequenceOutcome::Equal);
    }
    let further = compare(target, to, wanted) == Ordering::Greater;
    if source.cycle && target.cycle {
        if ahead_in_the_round((source, wanted), (target, to)) {
            return Ok(SequenceOutcome::Kept);
        }
        if further && !target.untouched() {
            entry.notes.push(
                "cyclic: which side is further on cannot be told from the values, so the source's \
                 state is taken"
                    .to_owned(),
            );
        }
    } else if further {
        goes_on((source, base), (target, to), entry)?;
        return Ok(SequenceOutcome::Kept);
    }
    if request.mode == SequenceMode::Exact && !target.may_set {
        return Err(SequenceRefusal::NotPermitted);
    }
    Ok(SequenceOutcome::WouldSet)
}

/// Refuses a state in which the target would hand out next what the source has used, or nothing where
/// the source would go on. The two definitions may differ, so the target's own decides what comes
/// next there.
fn goes_on(
    (source, base): (&SequenceReading, SequenceState),
    (target, end): (&SequenceReading, SequenceState),
    entry: &mut SequenceEntry,
) -> Result<(), SequenceRefusal> {
    let expected = next(source, base);
    match (next(target, end), expected) {
        (None, Some(expected)) => {
            entry.notes.push(format!(
                "the target has no value after {}, and the source would hand out {expected}",
                end.last_value
            ));
            Err(SequenceRefusal::Exhausted)
        }
        (Some(value), _) if expected != Some(value) && used(source, base, value) => {
            entry.notes.push(format!(
                "the target would hand out {value} next, which the source has used"
            ));
            Err(SequenceRefusal::WouldRepeat)
        }
        _ => Ok(()),
    }
}

/// Whether a cyclic target has gone on from a state of the source, by less than half a round. A fresh
/// sequence is not one that has gone once around.
fn ahead_in_the_round(
    (source, base): (&SequenceReading, SequenceState),
    (target, to): (&SequenceReading, SequenceState),
) -> bool {
    match (next(target, to), next(source, base)) {
        (Some(here), Some(there)) => !target.untouched() && shortly_after(source, here, there),
        _ => false,
    }
}

/// The source's state, moved by the margin and by the column's values where asked.
fn exact(
    request: SequenceRequest,
    source: &SequenceReading,
    target: &SequenceReading,
    from: SequenceState,
    entry: &mut SequenceEntry,
) -> Result<SequenceState, SequenceRefusal> {
    let mut base = from;
    if request.at_least_column {
        for (reading, side) in [(source, "source"), (target, "target")] {
            if let Some(reason) = &reading.furthest_unread {
                entry.notes.push(format!("column on the {side}: {reason}"));
                return Err(SequenceRefusal::ColumnUnread);
            }
            let Some(value) = reading.furthest else {
                continue;
            };
            if !used(source, base, i128::from(value)) {
                entry.notes.push(format!(
                    "rows on the {side} have overtaken the sequence: its column goes to {value}"
                ));
                base = SequenceState {
                    last_value: value,
                    is_called: true,
                };
            }
        }
    }
    let wanted = beyond(source, base, request.margin).map_err(|left| {
        entry.notes.push(format!(
            "only {left} values are left before the end; a margin of {} does not fit",
            request.margin
        ));
        SequenceRefusal::MarginTooLarge
    })?;
    if !inside(target, i128::from(wanted.last_value)) {
        entry.notes.push(format!(
            "{} is not between the target's {} and {}",
            wanted.last_value, target.min, target.max
        ));
        return Err(SequenceRefusal::OutOfBounds);
    }
    if source.cache > 1 {
        entry.notes.push(format!(
            "CACHE {}: values up to {} may already be in the hands of sessions",
            source.cache, from.last_value
        ));
    }
    if source.in_set && !request.check {
        entry.notes.push(
            "pglogical replicates this sequence too and moves it ahead by itself while the \
             subscription runs"
                .to_owned(),
        );
    }
    Ok(wanted)
}

/// Where pglogical's own message will put the target.
fn ahead(
    source: &SequenceReading,
    target: &SequenceReading,
    from: SequenceState,
    entry: &mut SequenceEntry,
) -> Result<SequenceState, SequenceRefusal> {
    if !source.in_set {
        return Err(SequenceRefusal::NotInSet);
    }
    // pglogical adds its buffer to the value, whatever the direction.
    let value = i128::from(from.last_value) + i128::from(source.pglogical_ahead.unwrap_or(1000));
    let fits = inside(target, value)
        .then(|| i64::try_from(value).ok())
        .flatten();
    let Some(last_value) = fits else {
        entry.notes.push(format!(
            "pglogical would send {value}, which is not between {} and {}: every attempt to apply \
             it fails and replication stops",
            target.min, target.max
        ));
        return Err(SequenceRefusal::PglogicalOverflow);
    };
    Ok(SequenceState {
        last_value,
        is_called: true,
    })
}

/// `--check`: whether the target, as it is, would hand out a value that the source has used when it is at `against`.
fn check(
    (source, against): (&SequenceReading, SequenceState),
    (target, to): (&SequenceReading, SequenceState),
    entry: &mut SequenceEntry,
) -> Result<SequenceOutcome, SequenceRefusal> {
    let (here, there) = (next(target, to), next(source, against));
    let fine = if source.cycle && target.cycle {
        here == there || ahead_in_the_round((source, against), (target, to))
    } else {
        match here {
            Some(value) => here == there || !used(source, against, value),
            None if there.is_some() => {
                return goes_on((source, against), (target, to), entry)
                    .map(|()| SequenceOutcome::Kept);
            }
            None => true,
        }
    };
    if fine {
        return Ok(if to == against || here == there {
            SequenceOutcome::Equal
        } else {
            SequenceOutcome::Kept
        });
    }
    if let Some(value) = here {
        entry
            .notes
            .push(format!("the target would hand out {value} next"));
    }
    Ok(SequenceOutcome::Behind)
}

fn differences(source: &SequenceReading, target: &SequenceReading) -> Vec<SequenceDifference> {
    let pair = |property: &str, source: String, target: String| {
        (source != target).then(|| SequenceDifference {
            property: property.to_owned(),
            source,
            target,
        })
    };
    let number = |property: &str, source: i64, target: i64| {
        pair(property, source.to_string(), target.to_string())
    };
    // Before 10 every sequence is a bigint; its bounds say whether that matters.
    let type_known = |reading: &SequenceReading| !reading.data_type.is_empty();
    [
        pair(
            "data_type",
            source.data_type.clone(),
            target.data_type.clone(),
        )
        .filter(|_| type_known(source) && type_known(target)),
        number("increment", source.increment, target.increment),
        number("min", source.min, target.min),
        number("max", source.max, target.max),
        number("start", source.start, target.start),
        number("cache", source.cache, target.cache),
        pair("cycle", source.cycle.to_string(), target.cycle.to_string()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
