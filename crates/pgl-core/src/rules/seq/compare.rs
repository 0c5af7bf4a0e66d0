//! The target's sequences against the source's. Silent as long as the target has neither tables nor
//! sequences of the migration.

use std::collections::HashMap;

use crate::facts::objects::{Sequence, View, sequence_number as number};
use crate::facts::{Facts, NotRun};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] =
    &[("seq.missing_on_target", missing), ("seq.params", params)];

/// The migration's sequences with their counterparts, where the target has any of its tables or
/// sequences.
fn pairs(facts: &Facts) -> Result<Vec<(&Sequence, Option<&Sequence>)>, NotRun> {
    let (source, target) = (View::source(facts)?, View::target(facts)?);
    let there: HashMap<_, _> = facts
        .target()?
        .objects
        .sequences
        .get()?
        .iter()
        .map(|one| ((&one.schema, &one.name), one))
        .collect();
    let all = source.sequences()?;
    let prepared = source
        .carried()
        .any(|one| target.named(&one.qualified()).is_some())
        || all
            .iter()
            .any(|one| there.contains_key(&(&one.schema, &one.name)));
    if !prepared {
        return Ok(Vec::new());
    }
    Ok(all
        .into_iter()
        .map(|one| (one, there.get(&(&one.schema, &one.name)).copied()))
        .collect())
}

fn missing(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for (one, other) in pairs(facts)? {
        if other.is_none() {
            let name = one.qualified();
            emit.find(Side::Target, format!("the target has no sequence {name}"))
                .object(&name);
        }
    }
    Ok(())
}

fn params(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    // Before 10 a sequence had no type, and a dump of it makes a bigint.
    let typed = facts.source.server.identity.get()?.version.at_least(10)
        && facts.target()?.server.identity.get()?.version.at_least(10);
    for (one, other) in pairs(facts)? {
        let Some(other) = other else {
            continue;
        };
        let mut differences = Vec::new();
        let mut compare = |word: &str, here: Option<&String>, there: Option<&String>| {
            if let (Some(here), Some(there)) = (here, there)
                && here != there
            {
                differences.push(format!("{word} {here} here, {there} there"));
            }
        };
        compare(
            "increment",
            one.increment.as_ref(),
            other.increment.as_ref(),
        );
        compare("minimum", one.min.as_ref(), other.min.as_ref());
        compare("maximum", one.max.as_ref(), other.max.as_ref());
        compare("start", one.start.as_ref(), other.start.as_ref());
        compare("cache", one.cache.as_ref(), other.cache.as_ref());
        if typed {
            compare("type", Some(&one.data_type), Some(&other.data_type));
        }
        if one.readable && other.readable && one.cycle != other.cycle {
            differences.push(format!("cycle {} here, {} there", one.cycle, other.cycle));
        }
        if differences.is_empty() {
            continue;
        }
        let last = number(one.last_value.as_ref());
        let outside = last.is_some_and(|last| {
            number(other.min.as_ref()).is_some_and(|min| last < min)
                || number(other.max.as_ref()).is_some_and(|max| last > max)
        });
        let turned = one.ascending() != other.ascending();
        let name = one.qualified();
        let draft = emit
            .find(
                Side::Target,
                format!(
                    "sequence {name} differs on the target: {}",
                    differences.join("; ")
                ),
            )
            .object(&name)
            .severity(if outside || turned {
                Severity::Block
            } else {
                Severity::Warn
            });
        if let (Some(by), Some(min), Some(max)) = (&one.increment, &one.min, &one.max) {
            let cycle = if one.cycle { "CYCLE" } else { "NO CYCLE" };
            let kind = if typed {
                format!(" AS {}", one.data_type)
            } else {
                String::new()
            };
            draft.sql(format!(
                "ALTER SEQUENCE {}{kind} INCREMENT BY {by} MINVALUE {min} MAXVALUE {max} {cycle};",
                name.sql()
            ));
        }
    }
    Ok(())
}
