//! From facts to the plan. Pure, and the same for the same facts in whatever order they come.

use std::collections::{HashMap, HashSet};

use super::{ManualStep, Plan, PlanSequence, PlanTable, Set, manual_steps};
use crate::facts::objects::{
    Activity, KeySource, Persistence, RelKind, Relation, Sequence, SequenceUse, Via, View,
};
use crate::facts::{Facts, NotRun};
use crate::migration::Names;
use crate::name::show_ident;

/// Makes the plan. `Err` when a section of the source's facts that it cannot do without was not
/// readable.
pub fn build(facts: &Facts) -> Result<Plan, NotRun> {
    let view = View::source(facts)?;
    let name = match facts.asked.name.as_str() {
        "" => &facts.source.server.identity.get()?.database,
        name => name,
    };
    let mut tables = Vec::new();
    let activity = Changes::of(facts);
    for relation in view.relations().filter(|one| one.kind == RelKind::Table) {
        tables.push(table(&view, relation, &activity)?);
    }
    let sequences = sequences(&view)?;
    let mut manual_steps: Vec<ManualStep> = manual_steps::list(facts, &view, &tables)?;
    manual_steps.sort();
    manual_steps.dedup();
    Ok(Plan {
        names: Names::of(name),
        selection: facts.asked.selection.clone(),
        tables,
        sequences,
        manual_steps,
    })
}

/// UPDATE and DELETE counters, as far as they are known.
struct Changes<'a>(Option<HashMap<u32, &'a Activity>>);

impl<'a> Changes<'a> {
    fn of(facts: &'a Facts) -> Self {
        let known = facts.source.objects.activity.get().ok();
        Self(known.map(|all| all.iter().map(|one| (one.relation, one)).collect()))
    }

    /// Whether rows were changed after they were inserted. What is not known counts as yes.
    fn seen(&self, relation: u32) -> bool {
        match &self.0 {
            None => true,
            Some(all) => all
                .get(&relation)
                .is_none_or(|one| one.updated > 0 || one.deleted > 0),
        }
    }
}

fn table(view: &View<'_>, relation: &Relation, changes: &Changes<'_>) -> Result<PlanTable, NotRun> {
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
                recopy = changes.seen(relation.oid);
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
    let mut owners: HashMap<u32, &SequenceUse> = HashMap::new();
    for one in view.objects().sequence_uses.get()? {
        if one.via != Via::Default {
            owners.insert(one.sequence, one);
        }
    }
    let mut seen = HashSet::new();
    let mut planned = Vec::new();
    for sequence in view.sequences()? {
        if !seen.insert(sequence.oid) {
            continue;
        }
        let owner = owners.get(&sequence.oid);
        planned.push(PlanSequence {
            schema: sequence.schema.clone(),
            name: sequence.name.clone(),
            owned_by: match owner {
                Some(owner) => column_name(view, owner)?,
                None => None,
            },
            identity: owner.is_some_and(|owner| owner.via == Via::Identity),
            increment: sequence.increment.clone().unwrap_or_else(|| "1".to_owned()),
            used_percent: used_percent(sequence),
        });
    }
    Ok(planned)
}

fn column_name(view: &View<'_>, owner: &SequenceUse) -> Result<Option<String>, NotRun> {
    let column = view.column(owner.relation, owner.column)?;
    let relation = view.relation(owner.relation);
    Ok(relation
        .zip(column)
        .map(|(relation, column)| format!("{}.{}", relation.qualified(), show_ident(&column.name))))
}

/// Share of the sequence's own range that is used up, rounded down.
fn used_percent(sequence: &Sequence) -> Option<u8> {
    sequence
        .used_share(None)
        .map(|share| share.clamp(0.0, 100.0) as u8)
}
