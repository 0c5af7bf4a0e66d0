//! Where sequences stand: read, unread, overtaken, nearly used up.

use std::collections::HashMap;

use crate::Side;
use crate::facts::objects::{SequenceUse, Via, View, group, sequence_number as number};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule};

/// Share of a range from which on a sequence is nearly used up.
const NEAR: f64 = 80.0;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("seq.inventory", inventory),
    ("seq.behind_data", behind_data),
    ("seq.near_limit", near_limit),
];

fn inventory(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let all = view.sequences()?;
    let uses = group(facts.source.objects.sequence_uses.get()?, |one| {
        one.sequence
    });
    let of = |via: Via| {
        all.iter()
            .filter(|one| {
                uses.get(&one.oid)
                    .is_some_and(|uses| uses.iter().any(|one| one.via == via))
            })
            .count()
    };
    if !all.is_empty() {
        let (total, owned, identity) = (all.len(), of(Via::Owned), of(Via::Identity));
        let rest = total.saturating_sub(owned + identity);
        emit.find(
            Side::Source,
            format!("{total} sequences: {owned} owned by a column, {identity} of identity columns, {rest} standing alone"),
        );
    }
    Ok(())
}

fn behind_data(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let marks: HashMap<(u32, i16), _> = facts
        .source
        .objects
        .sequence_marks
        .get()?
        .iter()
        .map(|mark| ((mark.relation, mark.column), mark))
        .collect();
    let uses = group(facts.source.objects.sequence_uses.get()?, |one| {
        one.sequence
    });
    for sequence in view
        .sequences()?
        .into_iter()
        .filter(|one| one.readable && !one.cycle)
    {
        let (Some(ascending), Some(start)) =
            (sequence.ascending(), number(sequence.start.as_ref()))
        else {
            continue;
        };
        let last = number(sequence.last_value.as_ref());
        for one in uses.get(&sequence.oid).into_iter().flatten() {
            let Some(mark) = marks.get(&(one.relation, one.column)) else {
                continue;
            };
            let extreme = number(Some(if ascending { &mark.high } else { &mark.low }));
            let Some(extreme) = extreme else {
                continue;
            };
            let overtaken = match (ascending, last) {
                (true, Some(last)) => extreme > last,
                (true, None) => extreme >= start,
                (false, Some(last)) => extreme < last,
                (false, None) => extreme <= start,
            };
            let relation = view.relation(one.relation);
            let column = view.column(one.relation, one.column)?;
            if let (true, Some(relation), Some(column)) = (overtaken, relation, column) {
                let name = sequence.qualified();
                let state = match last {
                    Some(last) => format!("stands at {last}"),
                    None => "was never called".to_owned(),
                };
                emit.find(
                    Side::Source,
                    format!(
                        "sequence {name} {state}, but {}.{} held {extreme} when it was last analysed",
                        relation.qualified(),
                        show_ident(&column.name)
                    ),
                )
                .object(&name);
            }
        }
    }
    Ok(())
}

/// The end that a column's type sets for the values of its sequence.
fn type_end(type_name: &str, ascending: bool) -> Option<i128> {
    let (low, high): (i128, i128) = match type_name {
        "smallint" => (i16::MIN.into(), i16::MAX.into()),
        "integer" => (i32::MIN.into(), i32::MAX.into()),
        "bigint" => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    };
    Some(if ascending { high } else { low })
}

/// The tightest end that the types of the columns set which a sequence feeds, with the type.
pub(super) fn column_end(
    view: &View<'_>,
    uses: &[&SequenceUse],
    ascending: bool,
) -> Result<Option<(i128, String)>, NotRun> {
    let mut limit: Option<(i128, String)> = None;
    for one in uses {
        let Some(column) = view.column(one.relation, one.column)? else {
            continue;
        };
        let Some(end) = type_end(&column.type_name, ascending) else {
            continue;
        };
        let tighter = |seen: &i128| if ascending { end < *seen } else { end > *seen };
        if limit.as_ref().is_none_or(|(seen, _)| tighter(seen)) {
            limit = Some((end, column.type_name.clone()));
        }
    }
    Ok(limit)
}

fn near_limit(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let uses = group(facts.source.objects.sequence_uses.get()?, |one| {
        one.sequence
    });
    for sequence in view.sequences()? {
        let Some(ascending) = sequence.ascending() else {
            continue;
        };
        let uses = uses.get(&sequence.oid).map_or(&[][..], Vec::as_slice);
        let limit = column_end(&view, uses, ascending)?;
        let end = limit.as_ref().map(|(end, _)| *end);
        let Some(share) = sequence.used_share(end).filter(|share| *share >= NEAR) else {
            continue;
        };
        let name = sequence.qualified();
        let of = match limit {
            Some((_, of)) => format!(" of what it and its column of type {of} allow"),
            None => String::new(),
        };
        let last = sequence.last_value.as_deref().unwrap_or("?");
        emit.find(
            Side::Source,
            format!("sequence {name} stands at {last} and has used {share:.0} %{of}"),
        )
        .object(&name);
    }
    Ok(())
}
