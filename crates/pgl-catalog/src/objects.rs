//! The objects of one database, section by section.
//!
//! A section that cannot be read becomes unknown, with the server's message, and the others are
//! read all the same; only a lost connection ends the collection. The number of statements does
//! not depend on the number of tables: a thousand sequences more cost one statement more, and a
//! look into tables of the target that hold something costs one in all.

use std::collections::{HashMap, HashSet};

use pgl_conn::{Error, Kind, Session};
use pgl_core::Side;
use pgl_core::facts::Section;
use pgl_core::facts::objects::{
    Misc, NamedObject, Objects, Occupied, Persistence, RelKind, Relation, RoutineUse, Sequence,
    SequenceLater, needed_schemas,
};
use pgl_core::select::Selection;
use pgl_core::seqsync::SequenceReading;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sequences::{AGAIN, again, seconds};
use crate::{gexec, row, rows};

/// Tables of the target that are looked into: one with rows is enough to stop.
const LOOK_INTO: usize = 500;

/// Reads everything that preflight wants to know of the objects in the connected database.
///
/// # Errors
/// Only where nothing more can be read: the connection is lost, or the user cancelled.
pub fn collect(session: &mut Session, selection: &Selection) -> Result<Objects, Error> {
    let at = session.version();
    let mut relations: Section<Vec<Relation>> = many(
        session,
        sql!(
            at, 90_500 => "objects/relations_pg94", _ => "objects/relations"
        ),
    )?;
    if let Section::Known(relations) = &mut relations {
        // Every view of the facts sorts by name; what is in order already costs it little.
        relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    }
    let occupied = match session.side() {
        Side::Source => Section::Known(Vec::new()),
        Side::Target => occupied(session, &relations, selection)?,
    };
    Ok(Objects {
        database: one(session, sql!("objects/database"))?,
        schemas: many(session, sql!("objects/schemas"))?,
        existing: many(
            session,
            sql!(at, 90_600 => "objects/existing_pg95", _ => "objects/existing"),
        )?,
        relations,
        columns: many(
            session,
            sql!(
                at, 100_000 => "objects/columns_pg96", 120_000 => "objects/columns_pg11",
                _ => "objects/columns"
            ),
        )?,
        indexes: many(
            session,
            sql!(at, 110_000 => "objects/indexes_pg10", _ => "objects/indexes"),
        )?,
        inherits: many(session, sql!("objects/inherits"))?,
        constraints: many(session, sql!("objects/constraints"))?,
        triggers: many(session, sql!("objects/triggers"))?,
        rules: many(session, sql!("objects/rules"))?,
        activity: many(session, sql!("objects/activity"))?,
        occupied,
        truncates: made(session, sql!("objects/truncates"))?,
        sequences: sequences(session)?,
        sequences_later: match session.side() {
            Side::Source => Section::default(),
            Side::Target => Section::Known(Vec::new()),
        },
        sequence_uses: many(session, sql!("objects/sequence_uses"))?,
        sequence_marks: many(session, sql!("objects/sequence_marks"))?,
        types: many(session, sql!("objects/types"))?,
        view_links: many(session, sql!("objects/view_links"))?,
        catalog_views: many(session, sql!("objects/catalog_views"))?,
        routine_uses: routine_uses(session)?,
        event_triggers: many(session, sql!("objects/event_triggers"))?,
        tablespaces: many(session, sql!("objects/tablespaces"))?,
        large_objects: one(session, sql!("objects/large_objects"))?,
        foreign_servers: many(session, sql!("objects/foreign_servers"))?,
        extension_config: made(session, sql!("objects/extension_config"))?,
        members: made(session, sql!("objects/members"))?,
        misc: misc(session)?,
        not_dumped: many(session, sql!("objects/not_dumped"))?,
    })
}

fn misc(session: &mut Session) -> Result<Section<Vec<Misc>>, Error> {
    let mut read = rows(session, sql!("objects/misc"), &[]);
    if let (Ok(all), true) = (&mut read, session.version().at_least(11)) {
        match rows(session, sql!("objects/hash_keys"), &[]) {
            Ok(more) => all.extend::<Vec<Misc>>(more),
            Err(error) => read = Err(error),
        }
    }
    section(session, read)
}

/// A use of a function, with the body that tells what it looks up. Bodies are no part of the facts.
#[derive(Deserialize)]
struct RoutineRow {
    #[serde(flatten)]
    routine: RoutineUse,
    body: Option<String>,
    named: Option<Vec<NamedObject>>,
}

fn routine_uses(session: &mut Session) -> Result<Section<Vec<RoutineUse>>, Error> {
    let read: Result<Vec<RoutineRow>, Error> = rows(session, sql!("objects/routine_uses"), &[]);
    let needed = |row: RoutineRow| RoutineUse {
        needed_schemas: row.body.zip(row.named).and_then(|(body, named)| {
            let found = needed_schemas(&row.routine.language, &body, &named)?;
            Some(found.into_iter().collect())
        }),
        ..row.routine
    };
    Ok(section(session, read)?.map(|rows| rows.into_iter().map(needed).collect()))
}

fn many<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<Section<Vec<T>>, Error> {
    let read = rows(session, sql, &[]);
    section(session, read)
}

fn made<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<Section<Vec<T>>, Error> {
    let read = gexec(session, sql, &[]);
    section(session, read)
}

fn one<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<Section<T>, Error> {
    let read = row(session, sql, &[]);
    section(session, read)
}

/// Turns a failure of one statement into an unknown section, unless no other statement could
/// succeed either.
fn section<T>(session: &Session, read: Result<T, Error>) -> Result<Section<T>, Error> {
    match read {
        Ok(value) => Ok(Section::Known(value)),
        Err(error) if error.is_lost() || error.kind == Kind::Cancelled || session.is_closed() => {
            Err(error.with_context("reading the objects"))
        }
        Err(error) => Ok(Section::Unknown(match &error.sqlstate {
            Some(state) => format!("{} (SQLSTATE {state})", error.message),
            None => error.message.clone(),
        })),
    }
}

/// Which of the tables that the migration is about hold rows.
fn occupied(
    session: &mut Session,
    relations: &Section<Vec<Relation>>,
    selection: &Selection,
) -> Result<Section<Vec<Occupied>>, Error> {
    let relations = match relations {
        Section::Known(relations) => relations,
        Section::Unknown(reason) => return Ok(Section::Unknown(reason.clone())),
    };
    let mut full: Vec<&Relation> = relations
        .iter()
        .filter(|one| one.kind == RelKind::Table && one.extension.is_none())
        .filter(|one| one.heap_bytes > 0 && !selection.excludes(&one.qualified()))
        .collect();
    full.sort_by_key(|one| one.oid);
    let looked: Vec<i64> = full
        .iter()
        .filter(|one| !one.row_security_active)
        .take(LOOK_INTO)
        .map(|one| i64::from(one.oid))
        .collect();
    let seen: Section<Vec<Occupied>> = if looked.is_empty() {
        Section::Known(Vec::new())
    } else {
        let read = gexec(session, sql!("objects/occupied"), &[&looked]);
        section(session, read)?
    };
    Ok(seen.map(|mut all| {
        let known: HashSet<u32> = all.iter().map(|one| one.relation).collect();
        let rest = full.into_iter().filter(|one| !known.contains(&one.oid));
        all.extend(rest.map(|one| Occupied {
            relation: one.oid,
            bytes: one.heap_bytes,
            has_rows: None,
        }));
        all.sort_by_key(|one| one.relation);
        all
    }))
}

/// Reads the sequences of the source that are likely to move a second time, for
/// [`Objects::sequences_later`]; to be called when everything else has been collected. One
/// statement, whatever the database holds: where there are more sequences than it takes, those of
/// the tables with the most inserts are read, and those that belong to no table.
///
/// # Errors
/// As [`collect`].
pub fn sequences_later(
    session: &mut Session,
    objects: &Objects,
) -> Result<Section<Vec<SequenceLater>>, Error> {
    let sequences = match &objects.sequences {
        Section::Known(sequences) => sequences,
        Section::Unknown(reason) => return Ok(Section::Unknown(reason.clone())),
    };
    let oids = busiest(sequences, objects);
    if oids.is_empty() {
        return Ok(Section::Known(Vec::new()));
    }
    let read = again(session, &oids);
    section(session, read)
}

/// The sequences that have been called, those first whose tables saw the most inserts. Of a
/// sequence without a table nothing is known, so it goes before them all.
fn busiest(sequences: &[Sequence], objects: &Objects) -> Vec<i64> {
    let activity = objects.activity.get().into_iter().flatten();
    let inserts: HashMap<u32, i64> = activity.map(|one| (one.relation, one.inserted)).collect();
    let mut fed: HashMap<u32, i64> = HashMap::new();
    for one in objects.sequence_uses.get().into_iter().flatten() {
        let inserted = inserts.get(&one.relation).copied().unwrap_or(0);
        let most = fed.entry(one.sequence).or_default();
        *most = inserted.max(*most);
    }
    let mut called: Vec<&Sequence> = sequences
        .iter()
        .filter(|one| one.last_value.is_some())
        .collect();
    called.sort_by_key(|one| {
        let inserted = fed.get(&one.oid).copied().unwrap_or(i64::MAX);
        (std::cmp::Reverse(inserted), one.oid)
    });
    called
        .into_iter()
        .take(AGAIN)
        .map(|one| i64::from(one.oid))
        .collect()
}

fn sequences(session: &mut Session) -> Result<Section<Vec<Sequence>>, Error> {
    let own_catalog = session.version().at_least(10);
    let read = crate::sequences::sequences(session);
    let all = |readings: Vec<_>| readings.into_iter().map(|one| sequence(one, own_catalog));
    Ok(section(session, read)?.map(|readings| all(readings).collect()))
}

/// The fact that rules and plan want. Before 10 the parameters of a sequence stand in itself: they
/// are as unreadable as its value then.
fn sequence(reading: SequenceReading, own_catalog: bool) -> Sequence {
    let state = reading.state();
    let defined = own_catalog || state.is_some();
    let text = |number: i64| defined.then(|| number.to_string());
    Sequence {
        oid: reading.oid,
        persistence: match reading.persistence.as_str() {
            "u" => Persistence::Unlogged,
            _ => Persistence::Permanent,
        },
        readable: state.is_some(),
        start: text(reading.start),
        min: text(reading.min),
        max: text(reading.max),
        increment: text(reading.increment),
        cache: text(reading.cache),
        cycle: reading.cycle,
        read_at: reading.read_at.map(seconds),
        last_value: state
            .filter(|state| state.is_called)
            .map(|state| state.last_value.to_string()),
        schema: reading.schema,
        name: reading.name,
        data_type: reading.data_type,
    }
}
