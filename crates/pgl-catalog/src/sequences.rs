//! Sequences with their state, on every version, in few round trips.

use std::collections::{HashMap, HashSet};

use pgl_conn::{Error, Session, ToSql};
use pgl_core::QualifiedName;
use pgl_core::cutover::SequenceUser;
use pgl_core::facts::objects::SequenceLater;
use pgl_core::seqsync::SequenceReading;
use serde::Deserialize;

use crate::{column, gexec, rows};

#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    reading: SequenceReading,
    may_read: bool,
}

#[derive(Deserialize)]
struct State {
    oid: u32,
    read_at: i64,
    last_value: Option<i64>,
    is_called: Option<bool>,
    #[serde(flatten)]
    definition: Definition,
}

/// What a sequence before 10 keeps in itself.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Definition {
    start: Option<i64>,
    increment: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
    cache: Option<i64>,
    cycle: Option<bool>,
}

#[derive(Deserialize)]
struct Furthest {
    oid: u32,
    column: String,
    problem: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
struct OfExtension {
    schema: String,
    name: String,
    extension: String,
}

#[derive(Deserialize)]
struct Replicated {
    oid: u32,
    ahead: Option<i64>,
}

/// How many sequences [`again`] reads at most.
pub(crate) const AGAIN: usize = 1000;

/// Microseconds as seconds: exact to the microsecond for centuries to come.
pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Where some sequences stand; see [`AGAIN`].
///
/// # Errors
/// The server's.
pub(crate) fn again(session: &mut Session, oids: &[i64]) -> Result<Vec<SequenceLater>, Error> {
    let found: Vec<State> = gexec(session, states_sql(session), &[&oids])?;
    let called = |state: &State| state.last_value.filter(|_| state.is_called == Some(true));
    let later = |state: State| SequenceLater {
        sequence: state.oid,
        last_value: called(&state).map(|value| value.to_string()),
        read_at: seconds(state.read_at),
    };
    Ok(found.into_iter().map(later).collect())
}

fn states_sql(session: &Session) -> &'static str {
    sql!(session.version(), 100_000 => "sequences/states_pg94", _ => "sequences/states")
}

/// The user's sequences with their states, by schema and name. What the role may not read has no
/// state.
///
/// # Errors
/// The server's.
pub fn sequences(session: &mut Session) -> Result<Vec<SequenceReading>, Error> {
    let list = sql!(session.version(), 100_000 => "sequences/list_pg94", _ => "sequences/list");
    let listed: Vec<Listed> = rows(session, list, &[])?;
    let readable: Vec<i64> = listed
        .iter()
        .filter(|seen| seen.may_read)
        .map(|seen| i64::from(seen.reading.oid))
        .collect();
    let mut readings: Vec<SequenceReading> = listed.into_iter().map(|seen| seen.reading).collect();
    states(session, &mut readings, &readable)?;
    // What could be read and has not been was dropped since the list was made.
    let readable: HashSet<i64> = readable.into_iter().collect();
    readings.retain(|one| one.last_value.is_some() || !readable.contains(&i64::from(one.oid)));
    replicated(session, &mut readings)?;
    Ok(readings)
}

/// Reads the states again of those sequences whose object ids are given.
///
/// # Errors
/// The server's.
pub fn states(
    session: &mut Session,
    readings: &mut [SequenceReading],
    oids: &[i64],
) -> Result<(), Error> {
    let sql = states_sql(session);
    let index = by_oid(readings);
    let found: Vec<State> = gexec(session, sql, &[&oids])?;
    for state in found {
        let Some(at) = index.get(&state.oid) else {
            continue;
        };
        let reading = &mut readings[*at];
        reading.last_value = state.last_value;
        reading.is_called = state.is_called;
        reading.read_at = state.last_value.is_some().then_some(state.read_at);
        let own = state.definition;
        reading.start = own.start.unwrap_or(reading.start);
        reading.increment = own.increment.unwrap_or(reading.increment);
        reading.min = own.min.unwrap_or(reading.min);
        reading.max = own.max.unwrap_or(reading.max);
        reading.cache = own.cache.unwrap_or(reading.cache);
        reading.cycle = own.cycle.unwrap_or(reading.cycle);
    }
    Ok(())
}

/// Reads the states again of the sequences that have changed since they were read.
///
/// # Errors
/// The server's.
pub fn states_again(session: &mut Session, readings: &mut [SequenceReading]) -> Result<(), Error> {
    let (mut oids, known): (Vec<i64>, Vec<Option<i64>>) = readings
        .iter()
        .map(|one| {
            let called = one.last_value.filter(|_| one.is_called == Some(true));
            (i64::from(one.oid), called)
        })
        .unzip();
    if session.version().at_least(10) {
        let params: [&(dyn ToSql + Sync); 2] = [&oids, &known];
        oids = column(session, sql!("sequences/changed"), &params)?;
    }
    states(session, readings, &oids)
}

/// Notes which sequences pglogical replicates, where it is installed and lets us see.
fn replicated(session: &mut Session, readings: &mut [SequenceReading]) -> Result<(), Error> {
    let readable: Option<bool> = session.value(
        sql!("sequences/replicated_readable"),
        &[],
        "whether pglogical's sequences can be read",
    )?;
    if readable != Some(true) {
        return Ok(());
    }
    let index = by_oid(readings);
    let found: Vec<Replicated> = rows(session, sql!("sequences/replicated"), &[])?;
    for sequence in found {
        if let Some(at) = index.get(&sequence.oid) {
            readings[*at].in_set = true;
            readings[*at].pglogical_ahead = sequence.ahead;
        }
    }
    Ok(())
}

/// Reads how far the columns that each sequence feeds have come.
///
/// # Errors
/// The server's.
pub fn furthest(session: &mut Session, readings: &mut [SequenceReading]) -> Result<(), Error> {
    let index = by_oid(readings);
    let (oids, upwards): (Vec<i64>, Vec<bool>) = readings
        .iter()
        .map(|reading| (i64::from(reading.oid), reading.increment > 0))
        .unzip();
    let sql = sql!("sequences/furthest");
    let found: Vec<Furthest> = gexec(session, sql, &[&oids, &upwards])?;
    for column in found {
        if let Some(at) = index.get(&column.oid) {
            note(&mut readings[*at], column);
        }
    }
    Ok(())
}

fn note(reading: &mut SequenceReading, column: Furthest) {
    let name = column.column;
    let mut unread = |why: String| {
        reading
            .furthest_unread
            .get_or_insert_with(|| format!("{name} {why}"));
    };
    if let Some(problem) = column.problem {
        return unread(problem);
    }
    let Some(text) = column.value else {
        return;
    };
    let Ok(value) = text.parse::<i64>() else {
        return unread(format!("holds {text}, which is beyond any sequence"));
    };
    let further = reading.furthest.is_none_or(|so_far| {
        if reading.increment > 0 {
            value > so_far
        } else {
            value < so_far
        }
    });
    if further {
        reading.furthest = Some(value);
    }
}

/// Sequences that belong to extensions, with the extension: nobody carries them.
///
/// # Errors
/// The server's.
pub fn of_extensions(session: &mut Session) -> Result<Vec<(QualifiedName, String)>, Error> {
    let found: Vec<OfExtension> = rows(session, sql!("sequences/of_extensions"), &[])?;
    Ok(found
        .into_iter()
        .map(|one| (QualifiedName::new(&one.schema, &one.name), one.extension))
        .collect())
}

/// The columns that take their values from sequences.
///
/// # Errors
/// The server's.
pub fn users(session: &mut Session) -> Result<Vec<SequenceUser>, Error> {
    rows(session, sql!("sequences/users"), &[])
}

fn by_oid(readings: &[SequenceReading]) -> HashMap<u32, usize> {
    let pair = |(at, reading): (usize, &SequenceReading)| (reading.oid, at);
    readings.iter().enumerate().map(pair).collect()
}

/// How many locks the server has room for in all.
///
/// # Errors
/// The server's.
pub fn lock_room(session: &mut Session) -> Result<usize, Error> {
    let room: i64 = session.value(sql!("sequences/lock_room"), &[], "the room for locks")?;
    Ok(usize::try_from(room).unwrap_or(0))
}
