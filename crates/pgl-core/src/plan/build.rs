//! From facts to the plan. Pure, and the same for the same facts in whatever order they come.

use std::collections::HashMap;

use super::{ManualStep, Plan, PlanSequence, PlanTable, Set, manual_steps};
use crate::facts::objects::{
    Activity, KeySource, Persistence, RelKind, Relation, Sequence, Via, View,
};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;

/// Makes the plan. `Err` when a section of the source's facts that it cannot do without was not
/// readable.
pub fn build(facts: &Facts) -> Result<Plan, NotRun> {
    let view = View::source(facts)?;
    let activity = facts.source.objects.activity.get().ok();
    let activity: Option<HashMap<u32, &Activity>> =
        activity.map(|all| all.iter().map(|one| (one.relation, one)).collect());
    // Whether rows were changed after they were inserted. What is not known counts as yes.
    let changed = |relation: u32| {
        let of = activity.as_ref().and_then(|all| all.get(&relation));
        of.is_none_or(|one| one.updated > 0 || one.deleted > 0)
    };
    let relations = view.relations().filter(|one| one.kind == RelKind::Table);
    let tables: Vec<PlanTable> = relations
        .map(|one| table(&view, one, &changed))
        .collect::<Result<_, _>>()?;
    let sequences = sequences(&view)?;
    let mut manual_steps: Vec<ManualStep> = manual_steps::list(facts, &view, &tables)?;
    manual_steps.sort();
    manual_steps.dedup();
    Ok(Plan {
        names: facts.names()?,
        selection: facts.asked.selection.clone(),
        tables,
        sequences,
        manual_steps,
        excluded_objects: Vec::new(),
        without_roles: Vec::new(),
    })
}

fn table(
    view: &View<'_>,
    relation: &Relation,
    changed: &impl Fn(u32) -> bool,
) -> Result<PlanTable, NotRun> {
    let key = view.key(relation)?;
    let mut recopy = false;
    let (set, reason) = if let Some(extension) = &relation.extension {
        let reason = format!("belongs to extension {}", show_ident(extension));
        (Set::Excluded, Some(reason))
    } else if !view.wanted(relation) {
        (
            Set::Excluded,
            Some("left out by the patterns given".to_owned()),
        )
    } else if relation.persistence == Persistence::Unlogged {
        recopy = true;
        (
            Set::Excluded,
            Some("unlogged: its changes are not in the WAL".to_owned()),
        )
    } else {
        match insert_only(key) {
            None => (Set::Default, None),
            Some(why) => {
                recopy = changed(relation.oid);
                (Set::DefaultInsertOnly, Some(why.to_owned()))
            }
        }
    };
    Ok(PlanTable {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        set,
        reason,
        key: match key {
            KeySource::Key(index) => Some(view.key_names(index)?),
            _ => None,
        },
        copy_columns: view.copy_columns(relation.oid)?,
        partition_root: view.above(relation).last().map(|root| root.qualified()),
        bytes: relation.bytes(),
        rows_estimate: relation.rows_estimate,
        recopy_at_cutover: recopy,
    })
}

/// Why a table can only go to the insert-only set.
fn insert_only(key: KeySource<'_>) -> Option<&'static str> {
    match key {
        KeySource::Key(_) => None,
        KeySource::Missing => Some("no primary key or other replica identity"),
        KeySource::Deferrable(_) => Some("its primary key is deferrable"),
        KeySource::Full => Some("REPLICA IDENTITY FULL, which pglogical does not support"),
        KeySource::Nothing => Some("REPLICA IDENTITY NOTHING"),
        KeySource::BadIndex => Some("the index chosen as replica identity is missing or not fit"),
    }
}

fn sequences(view: &View<'_>) -> Result<Vec<PlanSequence>, NotRun> {
    let mut all = view.sequences()?;
    all.dedup_by_key(|one| one.oid);
    let mut planned = Vec::new();
    for sequence in all {
        let mut uses = view.uses(sequence.oid)?.iter();
        let owner = uses.rfind(|one| one.via != Via::Default);
        planned.push(PlanSequence {
            schema: sequence.schema.clone(),
            name: sequence.name.clone(),
            owned_by: match owner {
                Some(owner) => view.column_name(owner.relation, owner.column)?,
                None => None,
            },
            identity: owner.is_some_and(|owner| owner.via == Via::Identity),
            increment: sequence.increment.clone().unwrap_or_else(|| "1".to_owned()),
            used_percent: used_percent(sequence),
        });
    }
    Ok(planned)
}

/// Share of the sequence's own range that is used up, rounded down.
fn used_percent(sequence: &Sequence) -> Option<u8> {
    sequence
        .used_share(None)
        .map(|share| share.clamp(0.0, 100.0) as u8)
}
