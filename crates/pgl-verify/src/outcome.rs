//! What one table came to under one moment: from the sums of both sides to a result, to rows that need another look,
//! or to the answer that the whole table does.

use std::collections::HashMap;

use pgl_conn::{Error, Kind};
use pgl_core::Side;
use pgl_core::verify::buckets::{Bucket, Halves};
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::rows::{Difference, DifferenceKind as RowKind, RowJoin, RowSeen};
use pgl_core::verify::{Buckets, Status};

use crate::client;
use crate::detail;
use crate::engine::{Engine, Found, Pending};
use crate::fetch_rows::{self, Drilled};
use crate::recheck::{self, Changed, Expect, NotApplied, Written};
use crate::snapshot_pair::{Between, PairFiles, Since, SnapshotPair, redefined};

/// Rows that one moment does not settle are followed up to this number.
const MOST_PENDING: u64 = 100_000;

/// Sums of the source and of the target.
type Sums = (Buckets, Buckets);

/// The result of a table whose sums were read, or could not be.
pub(crate) fn of_table(
    engine: &Engine<'_>,
    index: usize,
    pair: &TablePair,
    moment: &SnapshotPair,
    sums: Result<Sums, Error>,
) -> Found {
    let mut found = Found {
        index,
        result: engine.base(pair, moment),
        pending: Vec::new(),
        files: PairFiles::default(),
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
        .and_then(|()| moment.since(engine.pool, pair))
        .map_err(|error| moment.cause(engine.pool, pair, error))
        .and_then(|since| match since {
            Since::Redefined(side) => Err(redefined(side)),
            since => Ok(since == Since::Rewritten),
        });
    match outcome {
        Ok(false) => {}
        Ok(true) => {
            found.again = Some("it was truncated or rewritten while it was read".to_owned());
        }
        Err(error) if error.kind == Kind::NotYet => {
            // Nothing of what was read counts.
            found = Found {
                index,
                result: engine.base(pair, moment),
                pending: Vec::new(),
                files: PairFiles::default(),
                again: None,
                fixes: Vec::new(),
            };
            found.result.reason = Some(error.to_string());
        }
        Err(error) => engine.failed(&mut found.result, &error),
    }
    if found.again.is_some() || found.result.status == Status::Error {
        found.pending.clear();
        found.fixes.clear();
    }
    if !found.pending.is_empty() {
        found.files = moment.files_of(pair);
    }
    found
}

/// A table under a moment.
struct Table<'a> {
    engine: &'a Engine<'a>,
    pair: &'a TablePair,
    moment: &'a SnapshotPair,
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
        let written = match recheck::written(engine, pair, self.moment, None)? {
            Changed::Rows(written) => written,
            Changed::Unknown(why) => {
                found.again = Some(why.to_owned());
                return Ok(());
            }
        };
        if counted {
            self.counts(sums, &written, found)
        } else if pair.key.is_some() {
            self.by_key(sums, &written, found)
        } else {
            self.by_row(sums, &written, found)
        }
    }

    /// Which rows these are cannot be told; how many can.
    fn counts(&self, sums: Sums, written: &Written, found: &mut Found) -> Result<(), Error> {
        let net: Option<i64> = (written.rows.values())
            .map(|row| match row.expect {
                Expect::Net(more) => Some(more),
                _ => None,
            })
            .sum();
        let new_there = recheck::new_on_target(self.engine, self.pair, self.moment, None)?;
        let Some(net) = net.filter(|_| new_there.is_empty()) else {
            found.again = Some("it was written while its rows were counted".to_owned());
            return Ok(());
        };
        let wanted = sums.0.rows().saturating_add_signed(net);
        let held = sums.1.rows();
        let result = &mut found.result;
        result.missing = wanted.saturating_sub(held);
        result.extra = held.saturating_sub(wanted);
        result.counts_exact = wanted == held;
        result.settle();
        Ok(())
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
        let rows = recheck::rows_of(engine, pair, moment, &keys)?;
        for (rest, map) in [(&mut source, &rows.source), (&mut target, &rows.target)] {
            for row in map.values().flatten() {
                self.add(rest, row, -1)?;
            }
        }
        let mut differences = Vec::new();
        if source != target {
            let of = |join: RowJoin| {
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
        let (unsure, differences) =
            self.in_flight(differences, |one| one.kind == RowKind::Extra)?;
        let (pending, lost) = recheck::pending(engine, pair, moment, &unsure)?;
        found.pending = pending;
        found.result.unresolved += lost;
        let confirm = recheck::confirmations(written.rows.len());
        let mut not_applied = Vec::new();
        for (key, row) in &written.rows {
            let compared = rows.compared(key, row.expect);
            if let Some(Some(kind)) = compared {
                not_applied.push(NotApplied {
                    kind,
                    texts: row.texts.clone(),
                });
            } else if compared.is_none() || confirm > 1 {
                found.pending.push(Pending {
                    key: key.clone(),
                    texts: row.texts.clone(),
                    equal: u32::from(compared.is_some()),
                    confirm,
                });
            }
        }
        let different = !differences.is_empty() || !not_applied.is_empty();
        recheck::not_applied(engine, pair, &not_applied, &mut found.result);
        if different {
            self.report(differences, found)?;
            recheck::give_up(engine, pair, found);
        } else if found.pending.is_empty() {
            found.result.settle();
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
        let known = |row: &recheck::WrittenRow| matches!(row.expect, Expect::Net(_));
        if wanted == sums.1 && written.rows.values().all(known) {
            if recheck::new_on_target(self.engine, self.pair, self.moment, None)?.is_empty() {
                found.result.settle();
            } else {
                found.again = Some("it was written while its rows were compared".to_owned());
            }
            return Ok(());
        }
        let of = |join: RowJoin| {
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
        let (unsure, shown) = self.in_flight(shown, |_| true)?;
        let fresh = !unsure.is_empty();
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

    /// Without decoding, a row that the source had for a moment only is not told from one that it never had: differences
    /// of this kind that count, where the target had the row before, come second.
    fn in_flight(
        &self,
        differences: Vec<Difference>,
        kind: impl Fn(&Difference) -> bool,
    ) -> Result<(Vec<Difference>, Vec<Difference>), Error> {
        if !differences.iter().any(&kind) {
            return Ok((Vec::new(), differences));
        }
        let arrived = recheck::new_on_target(self.engine, self.pair, self.moment, None)?;
        Ok(differences
            .into_iter()
            .partition(|one| kind(one) && one.target.iter().any(|place| arrived.contains(place))))
    }

    /// The rows of the buckets that differ.
    fn drill(
        &self,
        sums: Sums,
        found: &mut Found,
        written: Option<&Written>,
        differences_of: &dyn Fn(RowJoin) -> Vec<Difference>,
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
        let drilled = fetch_rows::rows(
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
        found.result.settle();
        Ok(())
    }

    /// Adds a row to sums so many times.
    fn add(&self, sums: &mut Buckets, row: &RowSeen, times: i64) -> Result<(), Error> {
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
fn seen(key: &[u8]) -> Result<RowSeen, Error> {
    let bytes: [u8; 16] = key.try_into().map_err(|_| {
        Error::new(
            Side::Source,
            Kind::Protocol,
            "a row without a key is not known by its digest",
        )
    })?;
    Ok(RowSeen {
        key: key.into(),
        digest: u128::from_be_bytes(bytes),
        place: pgl_core::verify::rows::Place {
            relation: 0,
            block: 0,
            offset: 0,
        },
    })
}
