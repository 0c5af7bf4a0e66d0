//! The target's sequences against the source's. Silent as long as the target has neither tables nor
//! sequences of the migration.

use std::collections::HashMap;

use crate::Side::Target;
use crate::facts::objects::{Sequence, View, sequence_number as number};
use crate::facts::{Facts, NotRun};
use crate::rules::common::block_if;
use crate::rules::{Emit, Ran, Rule, facts};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    facts("seq.missing_on_target", |facts, emit| {
        for (one, _) in pairs(facts)?.iter().filter(|(_, other)| other.is_none()) {
            let name = one.qualified();
            let what = format!("the target has no sequence {name}");
            emit.find(Target, what).object(name);
        }
        Ok(())
    }),
    facts("seq.params", params),
];

/// The migration's sequences with their counterparts, where the target has any of its tables or
/// sequences.
fn pairs(facts: &Facts) -> Result<Vec<(&Sequence, Option<&Sequence>)>, NotRun> {
    let (source, target) = (View::source(facts)?, View::target(facts)?);
    let there = target.objects().sequences.get()?.iter();
    let there: HashMap<_, _> = there.map(|one| ((&one.schema, &one.name), one)).collect();
    let all = source.sequences()?.into_iter();
    let pairs: Vec<_> = all
        .map(|one| (one, there.get(&(&one.schema, &one.name)).copied()))
        .collect();
    let prepared = source
        .carried()
        .any(|one| target.named(&one.qualified()).is_some())
        || pairs.iter().any(|(_, other)| other.is_some());
    Ok(if prepared { pairs } else { Vec::new() })
}

fn params(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    // Before 10 a sequence had no type, and a dump of it makes a bigint.
    let typed = facts.source.server.version()?.at_least(10)
        && facts.target()?.server.version()?.at_least(10);
    for (one, other) in pairs(facts)? {
        let Some(other) = other else {
            continue;
        };
        let data_type = |one: &Sequence| typed.then(|| one.data_type.clone());
        let cycle = |one: &Sequence| one.readable.then(|| one.cycle.to_string());
        let differences: Vec<String> = [
            ("increment", one.increment.clone(), other.increment.clone()),
            ("minimum", one.min.clone(), other.min.clone()),
            ("maximum", one.max.clone(), other.max.clone()),
            ("start", one.start.clone(), other.start.clone()),
            ("cache", one.cache.clone(), other.cache.clone()),
            ("type", data_type(one), data_type(other)),
            ("cycle", cycle(one), cycle(other)),
        ]
        .into_iter()
        .filter_map(|(word, here, there)| Some((word, here?, there?)))
        .filter(|(_, here, there)| here != there)
        .map(|(word, here, there)| format!("{word} {here} here, {there} there"))
        .collect();
        if differences.is_empty() {
            continue;
        }
        let outside = number(one.last_value.as_ref()).is_some_and(|last| {
            number(other.min.as_ref()).is_some_and(|min| last < min)
                || number(other.max.as_ref()).is_some_and(|max| last > max)
        });
        let turned = one.ascending() != other.ascending();
        let (name, differences) = (one.qualified(), differences.join("; "));
        let what = format!("sequence {name} differs on the target: {differences}");
        let draft = emit.find(Target, what).object(&name);
        let draft = draft.severity(block_if(outside || turned));
        if let (Some(by), Some(min), Some(max)) = (&one.increment, &one.min, &one.max) {
            let cycle = if one.cycle { "CYCLE" } else { "NO CYCLE" };
            let of = data_type(one).map_or(String::new(), |of| format!(" AS {of}"));
            let name = name.sql();
            draft.sql(format!(
                "ALTER SEQUENCE {name}{of} INCREMENT BY {by} MINVALUE {min} MAXVALUE {max} {cycle};"
            ));
        }
    }
    Ok(())
}
