//! What one table came to under one moment: from the sums of both sides to a result, to rows that need another look,
//! or to the answer that the whole table does.

use std::collections::HashMap;

use pgl_conn::{Error, Kind};
use pgl_core::Side;
use pgl_core::verify::buckets::{Bucket, Halves};
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::Pair;
use pgl_core::verify::rows::{Difference, Join, Seen};
use pgl_core::verify::{Buckets, Status, TableResult};

use crate::client;
use crate::detail;
use crate::drill::{self, Drilled};
use crate::engine::{Engine, Found};
use crate::moment::{Between, Moment};
use crate::settle::{self, Changed, Expect, Pending, Written};

/// Rows that one moment does not settle are followed up to this number.
const MOST_PENDING: u64 = 100_000;

/// Sums of the source and of the target.
type Sums = (Buckets, Buckets);

/// The result of a table whose sums were read, or could not be.
pub(crate) fn of_table(
    engine: &Engine<'_>,
    index: usize,
    pair: &Pair,
    moment: &Moment,
    sums: Result<Sums, Error>,
) -> Found {
    let mut found = Found {
        index,
        result: engine.base(pair, moment),
        pending: Vec::new(),
        again: None,
        fixes: Vec::new(),
    };
    let outcome = sums
        .and_then(|sums| {
            Table {
                engine,
                pair,
                moment,
            }
            .decide(sums, &mut found)
        })
        .and_then(|()| moment.rewritten(engine.pool, pair));
    match outcome {
        Ok(false) => {}
        Ok(true) => {
            found.again = Some("it was truncated or rewritten while it was read".to_owned());
        }
        Err(error) => engine.failed(&mut found.result, &error),
    }
    if found.again.is_some() || found.result.status == Status::Error {
        found.pending.clear();
        found.fixes.clear();
    }
    found
}

/// A table under a moment.
struct Table<'a> {
    engine: &'a Engine<'a>,
    pair: &'a Pair,
    moment: &'a Moment,
}

impl Table<'_> {
    fn decide(&self, sums: Sums, found: &mut Found) -> Result<(), Error> {
        let (engine, pair) = (self.engine, self.pair);
        let result = &mut found.result;
        result.source_rows = Some(sums.0.rows());
        result.target_rows = Some(sums.1.rows());
        let counted = engine.settings.digest == Digest::Counts || pair.columns.is_empty();
        if !counted {
            let halves = match engine.settings.digest {
                Digest::Hash => Halves::One,
                _ => Halves::Both,
            };
            result.source_digest = Some(sums.0.summary(halves));
            result.target_digest = Some(sums.1.summary(halves));
        }
        let written = match settle::written(engine, pair, self.moment, None)? {
            Changed::Rows(written) => written,
            Changed::Unknown(why) => {
                found.again = Some(why.to_owned());
                return Ok(());
            }
        };
        if counted {
            self.counts(sums, &written, found);
            Ok(())
        } else if pair.key.is_some() {
            self.by_key(sums, &written, found)
        } else {
            self.by_row(sums, &written, found)
        }
    }

    /// Which rows these are cannot be told; how many can.
    fn counts(&self, sums: Sums, written: &Written, found: &mut Found) {
        let mut net = 0;
        for row in written.rows.values() {
            match row.expect {
                Expect::Net(more) => net += more,
                _ => {
                    found.again = Some("it was written while its rows were counted".to_owned());
                    return;
                }
            }
        }
        let wanted = sums.0.rows().saturating_add_signed(net);
        let held = sums.1.rows();
        let result = &mut found.result;
        result.missing = wanted.saturating_sub(held);
        result.extra = held.saturating_sub(wanted);
        result.counts_exact = wanted == held;
        settled(result);
    }

    /// A table with a key: the rows that nobody wrote in between, all together, and each of the others.
    fn by_key(&self, sums: Sums, written: &Written, found: &mut Found) -> Result<(), Error> {
        let (engine, pair, moment) = (self.engine, self.pair, self.moment);
        let keys: HashMap<&[u8], &Vec<Option<String>>> = written
            .rows
            .iter()
            .map(|(key, row)| (&**key, &row.texts))
            .collect();
        let (mut source, mut target) = sums.clone();
        let rows = settle::rows_of(engine, pair, moment, &keys)?;
        for (rest, map) in [(&mut source, &rows.source), (&mut target, &rows.target)] {
            for row in map.values().flatten() {
                self.add(rest, row, -1)?;
            }
        }
        let mut differences = Vec::new();
        if source != target {
            let of = |join: Join| {
                let all = join.differences().into_iter();
                all.filter(|found| !written.rows.contains_key(&found.key))
                    .collect()
            };
            let drilled = self.drill(sums, found, None, &of)?;
            differences = drilled.differences;
            if differences.is_empty() {
                found.again = Some(
                    "the sums of its rows differed, the rows that were read then did not"
                        .to_owned(),
                );
                return Ok(());
            }
            found.result.counts_exact = drilled.exact;
        }
        if matches!(moment.between, Between::Nothing) {
            return self.report(differences, found);
        }
        let (pending, lost) = settle::pending(engine, pair, moment, &differences)?;
        found.pending = pending;
        found.result.unresolved += lost;
        let confirm = settle::confirmations(written.rows.len());
        for (key, row) in &written.rows {
            let holds = rows.holds(key, row.expect);
            let settled = holds == Some(true) && confirm == 1;
            if !settled {
                found.pending.push(Pending {
                    key: key.clone(),
                    texts: row.texts.clone(),
                    proofs: u32::from(holds == Some(false)),
                    equal: u32::from(holds == Some(true)),
                    confirm,
                    target: Vec::new(),
                });
            }
        }
        if found.pending.is_empty() {
            settled(&mut found.result);
        }
        Ok(())
    }

    /// A table without a key: how often each row is there, with what was written in between.
    fn by_row(&self, sums: Sums, written: &Written, found: &mut Found) -> Result<(), Error> {
        let mut wanted = sums.0.clone();
        for (key, row) in &written.rows {
            if let Expect::Net(net) = row.expect {
                self.add(&mut wanted, &seen(key)?, net)?;
            }
        }
        let known = |row: &settle::WrittenRow| matches!(row.expect, Expect::Net(_));
        if wanted == sums.1 && written.rows.values().all(known) {
            settled(&mut found.result);
            return Ok(());
        }
        let of = |join: Join| {
            join.differences_from(&|key| match written.rows.get(key).map(|row| row.expect) {
                None => Some(0),
                Some(Expect::Net(net)) => Some(net),
                Some(_) => None,
            })
        };
        let drilled = self.drill(sums, found, Some(written), &of)?;
        // A row that was written in between and is missing has no place on the source yet where it could be shown.
        let (shown, later): (Vec<Difference>, Vec<Difference>) = drilled
            .differences
            .into_iter()
            .partition(|one| !(one.source.is_empty() && one.target.is_empty()));
        let (shown, fresh) = self.lasting(found.index, shown);
        if shown.is_empty()
            && (fresh || !later.is_empty() || written.rows.values().any(|row| !known(row)))
        {
            found.again = Some("rows that differ were written in between".to_owned());
            return Ok(());
        }
        if shown.is_empty() {
            found.again = Some(
                "the sums of its rows differed, the rows that were read then did not".to_owned(),
            );
            return Ok(());
        }
        found.result.counts_exact = drilled.exact && later.is_empty() && !fresh;
        self.report(shown, found)
    }

    /// Without decoding, a row that the source had for a moment only is not told from one that it never had: a
    /// row that only the target has counts when an earlier moment has shown it at the same place.
    fn lasting(&self, index: usize, differences: Vec<Difference>) -> (Vec<Difference>, bool) {
        if !matches!(self.moment.between, Between::Versions { .. }) {
            return (differences, false);
        }
        let mut known = crate::engine::lock(&self.engine.only_on_target);
        let before = known.entry(index).or_default();
        let (lasting, fresh): (Vec<_>, Vec<_>) = differences
            .into_iter()
            .partition(|one| one.target.iter().all(|place| before.contains(place)));
        before.extend(fresh.iter().flat_map(|one| one.target.iter().copied()));
        let more = !fresh.is_empty();
        (lasting, more)
    }

    /// The rows of the buckets that differ.
    fn drill(
        &self,
        sums: Sums,
        found: &mut Found,
        written: Option<&Written>,
        differences_of: &dyn Fn(Join) -> Vec<Difference>,
    ) -> Result<Drilled, Error> {
        let (engine, pair, moment) = (self.engine, self.pair, self.moment);
        let limit = match moment.between {
            Between::Nothing => engine.settings.max_diffs,
            _ => MOST_PENDING,
        };
        let count = Buckets::suited(sums.0.rows().max(sums.1.rows()));
        let (source, target) = match count {
            1 => sums,
            _ => engine.buckets(pair, moment, count)?,
        };
        let mut wanted = source.clone();
        for (key, row) in written.iter().flat_map(|written| &written.rows) {
            if let Expect::Net(net) = row.expect {
                self.add(&mut wanted, &seen(key)?, net)?;
            }
        }
        let buckets = wanted.differing(&target);
        let counts = (&source, &target);
        let drilled = drill::rows(
            engine,
            pair,
            moment,
            counts,
            &buckets,
            limit,
            differences_of,
        )?;
        found.result.counts_exact = drilled.exact;
        Ok(drilled)
    }

    fn report(&self, differences: Vec<Difference>, found: &mut Found) -> Result<(), Error> {
        if !differences.is_empty() {
            detail::report(
                self.engine,
                self.pair,
                self.moment,
                differences,
                &mut found.result,
                &mut found.fixes,
            )?;
        }
        settled(&mut found.result);
        Ok(())
    }

    /// Adds a row to sums so many times.
    fn add(&self, sums: &mut Buckets, row: &Seen, times: i64) -> Result<(), Error> {
        let (first, second) = client::halves(row.digest);
        let hash = match self.engine.settings.digest {
            Digest::Client => client::bucket_hash(&row.key),
            _ => first,
        };
        let bucket =
            u32::try_from(hash & (sums.count() as u64).saturating_sub(1)).unwrap_or(u32::MAX);
        let part = Bucket {
            count: 1,
            first,
            second: match self.engine.settings.digest {
                Digest::Hash => 0,
                _ => second,
            },
        };
        sums.add_times(bucket, part, times)
            .map_err(|error| Error::new(Side::Source, Kind::Protocol, error.to_string()))
    }
}

/// A row of a table without a key, of which the key is the digest.
fn seen(key: &[u8]) -> Result<Seen, Error> {
    let bytes: [u8; 16] = key.try_into().map_err(|_| {
        Error::new(
            Side::Source,
            Kind::Protocol,
            "a row without a key is not known by its digest",
        )
    })?;
    Ok(Seen {
        key: key.into(),
        digest: u128::from_be_bytes(bytes),
        place: pgl_core::verify::rows::Place {
            relation: 0,
            block: 0,
            offset: 0,
        },
    })
}

/// The status that follows from the counts.
pub(crate) fn settled(result: &mut TableResult) {
    let rows = result.proven();
    if rows > 0 {
        result.status = Status::Different;
    } else if !result.schema_differences.is_empty() {
        result.status = Status::Different;
        result.reason = Some(result.schema_differences.join("; "));
    } else if result.unresolved > 0 || !result.counts_exact {
        result.status = Status::Inconclusive;
        result.reason = Some(if result.unresolved > 0 {
            format!(
                "{} rows kept changing while they were looked at",
                result.unresolved
            )
        } else {
            "too many rows differ at first to follow them all; try again with less lag".into()
        });
    } else {
        result.status = Status::Identical;
        result.reason = None;
    }
}
