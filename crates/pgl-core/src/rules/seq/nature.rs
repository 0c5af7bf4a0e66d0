//! What kind of sequence it is, who uses it, and what pglogical would make of it.

use std::collections::{BTreeSet, HashMap};

use crate::facts::objects::{
    Persistence, Sequence, SequenceUse, Via, View, group, sequence_number as number,
};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

/// pglogical runs up to a million values ahead of a sequence in a replication set.
const AHEAD: i128 = 1_000_000;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("seq.replicated_by_pglogical", replicated),
    ("seq.unfit_for_pglogical", unfit),
    ("seq.unlogged", unlogged),
    ("seq.shared", shared),
    ("seq.owner_excluded", owner_excluded),
];

fn members(facts: &Facts) -> Result<HashMap<u32, &str>, NotRun> {
    let members = facts.source.objects.members.get()?;
    Ok(members
        .iter()
        .map(|one| (one.relation, one.set_name.as_str()))
        .collect())
}

fn replicated(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let members = members(facts)?;
    for sequence in view.sequences()? {
        if let Some(set) = members.get(&sequence.oid) {
            let name = sequence.qualified();
            let (set_literal, literal) =
                (crate::quote_literal(set), crate::quote_literal(&name.sql()));
            emit.find(
                Side::Source,
                format!("sequence {name} stands in replication set {set}"),
            )
            .object(&name)
            .sql(format!(
                "SELECT pglogical.replication_set_remove_sequence({set_literal}, {literal});"
            ));
        }
    }
    Ok(())
}

fn unfit(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let members = members(facts).unwrap_or_default();
    for sequence in view.sequences()? {
        let reason = match sequence.ascending() {
            Some(false) => "counts downwards",
            Some(true) if sequence.cycle => "starts over at its end",
            Some(true) => {
                let max = number(sequence.max.as_ref());
                let last = number(sequence.last_value.as_ref())
                    .or_else(|| number(sequence.start.as_ref()));
                match (max, last) {
                    (Some(max), Some(last)) if max - last < AHEAD => {
                        "is less than a million values from its end"
                    }
                    _ => continue,
                }
            }
            None => continue,
        };
        let name = sequence.qualified();
        let member = members.contains_key(&sequence.oid);
        emit.find(Side::Source, format!("sequence {name} {reason}"))
            .object(&name)
            .severity(if member {
                Severity::Block
            } else {
                Severity::Info
            });
    }
    Ok(())
}

fn unlogged(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for sequence in view.sequences()? {
        if sequence.persistence == Persistence::Unlogged {
            let name = sequence.qualified();
            emit.find(Side::Source, format!("sequence {name} is unlogged"))
                .object(&name)
                .sql(format!("ALTER SEQUENCE {} SET LOGGED;", name.sql()));
        }
    }
    Ok(())
}

fn columns_of(view: &View<'_>, uses: &[&SequenceUse]) -> Result<BTreeSet<String>, NotRun> {
    let mut names = BTreeSet::new();
    for one in uses {
        let column = view.column(one.relation, one.column)?;
        if let (Some(relation), Some(column)) = (view.relation(one.relation), column) {
            names.insert(format!(
                "{}.{}",
                relation.qualified(),
                show_ident(&column.name)
            ));
        }
    }
    Ok(names)
}

fn shared(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let uses = group(facts.source.objects.sequence_uses.get()?, |one| {
        one.sequence
    });
    for sequence in view.sequences()? {
        let Some(uses) = uses.get(&sequence.oid) else {
            continue;
        };
        // Partitions repeat the default of the table above them.
        let own: Vec<&SequenceUse> = uses
            .iter()
            .copied()
            .filter(|one| {
                view.relation(one.relation)
                    .is_some_and(|table| !table.partition)
            })
            .collect();
        let columns = columns_of(&view, &own)?;
        if columns.len() > 1 {
            let name = sequence.qualified();
            let list: Vec<String> = columns.into_iter().collect();
            emit.find(
                Side::Source,
                format!("sequence {name} is used by {}", list.join(", ")),
            )
            .object(&name);
        }
    }
    Ok(())
}

fn owner_excluded(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let taken: BTreeSet<u32> = view.sequences()?.iter().map(|one| one.oid).collect();
    let uses = group(facts.source.objects.sequence_uses.get()?, |one| {
        one.sequence
    });
    let mut left: Vec<&Sequence> = facts
        .source
        .objects
        .sequences
        .get()?
        .iter()
        .filter(|one| !taken.contains(&one.oid))
        .collect();
    left.sort_by_key(|one| one.qualified());
    for sequence in left {
        let users: Vec<&SequenceUse> = uses
            .get(&sequence.oid)
            .into_iter()
            .flatten()
            .copied()
            .filter(|one| one.via == Via::Default)
            .filter(|one| {
                view.relation(one.relation)
                    .is_some_and(|table| view.is_carried(table))
            })
            .collect();
        let columns: Vec<String> = columns_of(&view, &users)?.into_iter().collect();
        if !columns.is_empty() {
            let name = sequence.qualified();
            emit.find(
                Side::Source,
                format!(
                    "sequence {name} is left out, but {} take their values from it",
                    columns.join(", ")
                ),
            )
            .object(&name);
        }
    }
    Ok(())
}
