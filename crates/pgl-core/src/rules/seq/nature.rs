//! What kind of sequence it is, who uses it, and what pglogical would make of it.

use std::collections::{BTreeSet, HashMap};

use crate::Side::Source;
use crate::facts::NotRun;
use crate::facts::objects::{Persistence, SequenceUse, Via, View, sequence_number as number};
use crate::rules::{Emit, Ran, Rule, objects};
use crate::{Severity, quote_literal};

/// pglogical runs up to a million values ahead of a sequence in a replication set.
const AHEAD: i128 = 1_000_000;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    objects("seq.replicated_by_pglogical", |view, emit| {
        let members = members(view)?;
        for sequence in view.sequences()? {
            if let Some(set) = members.get(&sequence.oid) {
                let name = sequence.qualified();
                let (of, literal) = (quote_literal(set), quote_literal(&name.sql()));
                let sql =
                    format!("SELECT pglogical.replication_set_remove_sequence({of}, {literal});");
                let what = format!("sequence {name} is in replication set {set}");
                emit.find(Source, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    objects("seq.unfit_for_pglogical", unfit),
    objects("seq.unlogged", |view, emit| {
        let sequences = view.sequences()?.into_iter();
        for sequence in sequences.filter(|one| one.persistence == Persistence::Unlogged) {
            let name = sequence.qualified();
            let sql = format!("ALTER SEQUENCE {} SET LOGGED;", name.sql());
            let what = format!("sequence {name} is unlogged");
            emit.find(Source, what).object(name).sql(sql);
        }
        Ok(())
    }),
    objects("seq.owner_excluded", |view, emit| {
        let taken: BTreeSet<u32> = view.sequences()?.iter().map(|one| one.oid).collect();
        let all = view.objects().sequences.get()?.iter();
        let mut left: Vec<_> = all.filter(|one| !taken.contains(&one.oid)).collect();
        left.sort_by_key(|one| one.qualified());
        for sequence in left {
            let uses = view.uses(sequence.oid)?.iter().copied();
            let carried = |one: &&SequenceUse| {
                view.relation(one.relation)
                    .is_some_and(|table| view.is_carried(table))
            };
            let users = uses.filter(|one| one.via == Via::Default).filter(carried);
            let columns = columns_of(view, users)?;
            if !columns.is_empty() {
                let (name, columns) = (sequence.qualified(), columns.join(", "));
                let what =
                    format!("sequence {name} is left out, but {columns} take their values from it");
                emit.find(Source, what).object(name);
            }
        }
        Ok(())
    }),
];

fn members<'a>(view: &View<'a>) -> Result<HashMap<u32, &'a str>, NotRun> {
    let members = view.objects().members.get()?.iter();
    Ok(members
        .map(|one| (one.relation, one.set_name.as_str()))
        .collect())
}

fn unfit(view: &View<'_>, emit: &mut Emit<'_>) -> Ran {
    let members = members(view).unwrap_or_default();
    for sequence in view.sequences()? {
        let max = number(sequence.max.as_ref());
        let last = number(sequence.last_value.as_ref()).or_else(|| number(sequence.start.as_ref()));
        let near = max.zip(last).is_some_and(|(max, last)| max - last < AHEAD);
        let reason = match sequence.ascending() {
            Some(false) => "counts downwards",
            Some(true) if sequence.cycle => "starts over at its end",
            Some(true) if near => "is less than a million values from its end",
            _ => continue,
        };
        let severity = match members.contains_key(&sequence.oid) {
            true => Severity::Block,
            false => Severity::Info,
        };
        let name = sequence.qualified();
        let what = format!("sequence {name} {reason}");
        emit.find(Source, what).object(name).severity(severity);
    }
    Ok(())
}

/// The columns, sorted, each once.
fn columns_of<'a>(
    view: &View<'_>,
    uses: impl Iterator<Item = &'a SequenceUse>,
) -> Result<Vec<String>, NotRun> {
    let mut names = BTreeSet::new();
    for one in uses {
        names.extend(view.column_name(one.relation, one.column)?);
    }
    Ok(names.into_iter().collect())
}
