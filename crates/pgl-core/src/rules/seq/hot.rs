//! How fast sequences give out values.
//!
//! The rate comes from two readings within one run of preflight, so it is that of the moment, and
//! a sequence of some ten values a second may pass unseen in a short run. Nothing waits to measure
//! better: what is looked for are the sequences that matter for a margin.

use std::collections::HashMap;

use crate::Side::Source;
use crate::facts::objects::{Sequence, sequence_number as number};
use crate::rules::common::duration;
use crate::rules::{Rule, objects};

/// Fewer calls than this say nothing about a rate.
const FEWEST_CALLS: u64 = 10;
/// Values a second from which on a sequence is worth a word.
const HOT: f64 = 10.0;
/// The stretch of time that the proposed margin covers, in seconds.
const COVERED: f64 = 600.0;
/// An end that is nearer than this is named, in seconds.
const SOON: f64 = 90.0 * 86_400.0;

pub(in crate::rules) const CHECKS: &[Rule] = &[objects("seq.hot", |view, emit| {
    let later = view.objects().sequences_later.get()?.iter();
    let later: HashMap<u32, _> = later.map(|one| (one.sequence, one)).collect();
    for sequence in view.sequences()? {
        let reading = later.get(&sequence.oid);
        let Some((taken, seconds)) = reading.and_then(|later| sequence.taken_until(later)) else {
            continue;
        };
        // A session takes as many at once as the cache holds.
        let cache = number(sequence.cache.as_ref()).and_then(|cache| u64::try_from(cache).ok());
        let fewest = FEWEST_CALLS.saturating_mul(cache.unwrap_or(1).max(1));
        let rate = taken as f64 / seconds;
        if taken < fewest || rate < HOT {
            continue;
        }
        let (name, margin) = (sequence.qualified(), rounded_up(rate * COVERED));
        let mut what = format!(
            "sequence {name} gave out {taken} values in {seconds:.1} s, about {:.0} a second: pgl-seqsync --margin {margin} covers ten minutes of that",
            rounded_up(rate),
        );
        let ascending = sequence.ascending() == Some(true);
        let limit = super::state::column_end(view, sequence.oid, ascending)?;
        if let Some(left) = values_left(sequence, limit.map(|(end, _)| end)) {
            let reached = left as f64 / rate;
            if reached < SOON {
                let reached = duration(reached);
                what.push_str(&format!(
                    "; at this pace its {left} values are used up in {reached}"
                ));
            }
        }
        emit.find(Source, what).object(name);
    }
    Ok(())
})];

/// Values until its end, or that of the columns that it feeds; none where it starts over.
fn values_left(sequence: &Sequence, limit: Option<i128>) -> Option<i128> {
    let last = number(sequence.last_value.as_ref())?;
    let step = number(sequence.increment.as_ref()).filter(|step| *step != 0)?;
    let end = sequence.end(limit)?;
    (!sequence.cycle).then(|| ((end - last) / step).max(0))
}

/// Up to two significant digits: the rate is an estimate, and a margin must not be too small.
fn rounded_up(value: f64) -> f64 {
    let unit = 10_f64.powf((value.log10().floor() - 1.0).max(0.0));
    (value / unit).ceil() * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::objects::SequenceLater;
    use crate::rules::testing::{clean, known, objects, run};

    fn what(change: impl Fn(&mut Sequence)) -> String {
        let mut facts = clean();
        let orders = objects::sequence_of(&mut facts.source.objects, objects::ORDERS_SEQ);
        change(orders);
        let (last, step) = (
            number(orders.last_value.as_ref()),
            number(orders.increment.as_ref()),
        );
        let later = last.unwrap() + 1234 * step.unwrap();
        known(&mut facts.source.objects.sequences_later).push(SequenceLater {
            sequence: objects::ORDERS_SEQ,
            last_value: Some(later.to_string()),
            read_at: 1_700_000_000.8,
        });
        let (findings, ran) = run("seq.hot", &facts);
        assert_eq!(ran, Ok(()));
        findings[0].what.clone()
    }

    #[test]
    fn rate_and_margin_are_named() {
        let expected = "sequence public.orders_id_seq gave out 1234 values in 0.8 s, about 1600 a second: pgl-seqsync --margin 930000 covers ten minutes of that";
        assert_eq!(what(|_| ()), expected);
        // A margin counts values, not distances.
        assert_eq!(what(|one| one.increment = Some("50".to_owned())), expected);
        assert_eq!(
            what(|one| {
                one.increment = Some("-2".to_owned());
                one.min = Some("-9223372036854775808".to_owned());
                one.max = Some("100".to_owned());
            }),
            expected
        );
    }

    #[test]
    fn an_end_within_reach_is_named() {
        let near = what(|one| one.max = Some("2000000000".to_owned()));
        assert!(
            near.ends_with("its 1999999990 values are used up in 15d 0h"),
            "{near}"
        );
        let cycling = what(|one| {
            one.max = Some("2000000000".to_owned());
            one.cycle = true;
        });
        assert!(cycling.ends_with("ten minutes of that"), "{cycling}");
    }

    #[test]
    fn two_digits_upwards() {
        for (value, expected) in [
            (10.0, 10.0),
            (10.2, 11.0),
            (99.5, 100.0),
            (1_542.5, 1_600.0),
            (925_500.0, 930_000.0),
        ] {
            assert!((rounded_up(value) - expected).abs() < 1e-6, "{value}");
        }
    }
}
