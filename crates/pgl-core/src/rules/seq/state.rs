//! Where sequences stand: read, unread, overtaken, nearly used up.

use std::collections::HashMap;

use crate::Side::Source;
use crate::facts::NotRun;
use crate::facts::objects::{Via, View, sequence_number as number};
use crate::plural;
use crate::rules::{Emit, Ran, Rule, objects};

/// Share of a range from which on a sequence is nearly used up.
const NEAR: f64 = 80.0;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    objects("seq.inventory", |view, emit| {
        let (mut total, mut owned, mut identity) = (0_usize, 0, 0);
        for sequence in view.sequences()? {
            let uses = view.uses(sequence.oid)?;
            let via = |via: Via| usize::from(uses.iter().any(|one| one.via == via));
            total += 1;
            owned += via(Via::Owned);
            identity += via(Via::Identity);
        }
        if total > 0 {
            let rest = total.saturating_sub(owned + identity);
            let what = format!(
                "{}: {owned} owned by a column, {identity} of identity columns, {rest} existing alone",
                plural(total, "sequence")
            );
            emit.find(Source, what);
        }
        Ok(())
    }),
    objects("seq.behind_data", behind_data),
    objects("seq.near_limit", |view, emit| {
        for sequence in view.sequences()? {
            let Some(ascending) = sequence.ascending() else {
                continue;
            };
            let limit = column_end(view, sequence.oid, ascending)?;
            let end = limit.map(|(end, _)| end);
            let Some(share) = sequence.used_share(end).filter(|share| *share >= NEAR) else {
                continue;
            };
            let (name, last) = (
                sequence.qualified(),
                sequence.last_value.as_deref().unwrap_or("?"),
            );
            let of = limit.map_or(String::new(), |(_, of)| {
                format!(" of what it and its column of type {of} allow")
            });
            let what = format!("sequence {name} is at {last} and has used {share:.0} %{of}");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
];

fn behind_data(view: &View<'_>, emit: &mut Emit<'_>) -> Ran {
    let marks = view.objects().sequence_marks.get()?.iter();
    let marks: HashMap<_, _> = marks.map(|one| ((one.relation, one.column), one)).collect();
    let sequences = view.sequences()?.into_iter();
    for sequence in sequences.filter(|one| one.readable && !one.cycle) {
        let (ascending, start) = (sequence.ascending(), number(sequence.start.as_ref()));
        let (Some(ascending), Some(start)) = (ascending, start) else {
            continue;
        };
        let last = number(sequence.last_value.as_ref());
        for one in view.uses(sequence.oid)? {
            let mark = marks.get(&(one.relation, one.column));
            let extreme = mark.map(|mark| if ascending { &mark.high } else { &mark.low });
            let Some(extreme) = number(extreme) else {
                continue;
            };
            let overtaken = match (ascending, last) {
                (true, Some(last)) => extreme > last,
                (true, None) => extreme >= start,
                (false, Some(last)) => extreme < last,
                (false, None) => extreme <= start,
            };
            let column = view.column_name(one.relation, one.column)?;
            if let (true, Some(column)) = (overtaken, column) {
                let name = sequence.qualified();
                let state = match last {
                    Some(last) => format!("is at {last}"),
                    None => "was never called".to_owned(),
                };
                let what = format!(
                    "sequence {name} {state}, but {column} held {extreme} when it was last analysed"
                );
                emit.find(Source, what).object(name);
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
pub(super) fn column_end<'a>(
    view: &View<'a>,
    sequence: u32,
    ascending: bool,
) -> Result<Option<(i128, &'a str)>, NotRun> {
    let mut limit: Option<(i128, &str)> = None;
    for one in view.uses(sequence)? {
        let Some(column) = view.column(one.relation, one.column)? else {
            continue;
        };
        let Some(end) = type_end(&column.type_name, ascending) else {
            continue;
        };
        let tighter = |seen: i128| if ascending { end < seen } else { end > seen };
        if limit.is_none_or(|(seen, _)| tighter(seen)) {
            limit = Some((end, &column.type_name));
        }
    }
    Ok(limit)
}
