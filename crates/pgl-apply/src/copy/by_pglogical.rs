//! The copy by pglogical itself: slower, and its word proves nothing.
//!
//! It fails in two ways. When it notices, the subscription stays down for ever ("nonrecoverable
//! step"). When the last table fails, it does not notice: everything is rolled back and the
//! subscription replicates into empty tables. So counts decide, and a copy that failed is thrown
//! away and made again. Rows that are left in a table after that are emptied only on request.

use std::time::{Duration, Instant};

use pgl_conn::{DsnText, Session};
use pgl_core::Side;
use pgl_core::migration::Names;
use pgl_core::setup::StepId;
use pgl_core::setup::copy::Task;
use serde_json::Value;

use super::proof;
use super::reset::not_empty;
use crate::subscription::{self, Data, SETS, Subscription};
use crate::unlogged::unlogged;
use crate::{Done, Error, Watch, journal};

/// State of the journal's note while the copy is pglogical's.
pub(super) const BEGUN: &str = "pglogical";
/// And when the counts have proved it.
pub(super) const PROVED: &str = "proved";
/// How long a subscription may be down before that counts as its end.
const DOWN: Duration = Duration::from_secs(8);

/// Lets pglogical copy, waits, and compares the counts.
///
/// # Errors
/// The servers'; [`Error::Objects`] with tables whose rows did not arrive.
pub fn run(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    names: &Names,
    dsn: &DsnText,
    tasks: &[Task],
    watch: &dyn Watch,
) -> Result<Done, Error> {
    let tables: Vec<_> = tasks.iter().map(|task| task.table.clone()).collect();
    let state = begun(target, migration)?;
    let state = state.as_str();
    let mut found = subscription::find(target, &names.subscription)?;
    if let Some(there) = &found {
        if state == PROVED && there.sync.as_deref() == Some("r") {
            return Ok(Done::Already(
                "the counts were proved by an earlier run".to_owned(),
            ));
        }
        if state.is_empty() {
            return Err(Error::refused(
                Side::Target,
                format!(
                    "subscription {} exists and this tool did not make it",
                    there.name
                ),
                "drop it with pglogical.drop_subscription, or give another --name",
            ));
        }
        if state != PROVED && is_dead(target, there, watch)? {
            watch.say("pglogical's copy has failed: its subscription is dropped and the copy begins again");
            drop_subscription(target, names)?;
            found = None;
        }
    }
    if found.is_none() {
        if state == PROVED {
            let why = format!(
                "subscription {} does not exist any more",
                names.subscription
            );
            return Err(super::lost(migration, &why));
        }
        // What failed was rolled back by pglogical: rows that are here are somebody's. The marker's are ours.
        target.batch("TRUNCATE pgl.marker")?;
        refuse_rows(target, &tables)?;
        journal::write(target, migration, StepId::Copy, "", BEGUN, &Value::Null)?;
        let sql = subscription::create_sql(names, &SETS, Data::Copied);
        unlogged(target, |target| target.query(&sql, &[dsn]))
            .map_err(|error| error.with_context("subscribing"))?;
    }
    wait(target, names, watch)?;
    let rows = match proof::prove(source, target, &tables, watch) {
        Ok(rows) => rows,
        Err(error) => {
            if let Error::Objects { .. } = &error {
                // Ended at once: nobody must take it for a running migration.
                drop_subscription(target, names)?;
            }
            return Err(error);
        }
    };
    journal::write(target, migration, StepId::Copy, "", PROVED, &Value::Null)?;
    Ok(Done::Changed(format!(
        "{} tables, {rows} rows, counts held against the source",
        tables.len()
    )))
}

/// How far this kind of copy is, as the journal says; empty where it never began.
///
/// # Errors
/// The server's; a refusal where the copy is of the other kind.
pub fn begun(target: &mut Session, migration: &str) -> Result<String, Error> {
    let note = journal::note(target, migration, StepId::Copy, "")?;
    let state = note.map_or_else(String::new, |note| note.state);
    if matches!(state.as_str(), "" | BEGUN | PROVED) {
        return Ok(state);
    }
    Err(Error::refused(
        Side::Target,
        "this migration began with --copy parallel",
        "go on with --copy parallel; pgl-setup --restart discards that copy, pgl-teardown the migration",
    ))
}

fn refuse_rows(target: &mut Session, tables: &[pgl_core::QualifiedName]) -> Result<(), Error> {
    match not_empty(target, tables)?.first() {
        None => Ok(()),
        Some(first) => Err(Error::refused(
            Side::Target,
            format!("tables hold rows that this migration did not put there, the first is {first}"),
            "empty them if they can be thrown away; pgl-setup --restart empties every table that this migration began to copy",
        )),
    }
}

/// Whether the copy has ended without success: begun, and nobody works on it.
fn is_dead(target: &mut Session, found: &Subscription, watch: &dyn Watch) -> Result<bool, Error> {
    if !matches!(found.sync.as_deref(), Some("s" | "d" | "c")) {
        return Ok(false);
    }
    let started = Instant::now();
    while started.elapsed() < DOWN {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if subscription::status(target, &found.name)? != "down" {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(true)
}

fn drop_subscription(target: &mut Session, names: &Names) -> Result<(), Error> {
    target
        .query(
            "SELECT pglogical.drop_subscription($1::text::name, true)",
            &[&names.subscription],
        )
        .map(drop)
        .map_err(|error| {
            error
                .with_context("dropping the subscription whose copy failed")
                .into()
        })
}

fn wait(target: &mut Session, names: &Names, watch: &dyn Watch) -> Result<(), Error> {
    let mut down_since: Option<Instant> = None;
    let mut kicked = Instant::now();
    loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        let found = subscription::find(target, &names.subscription)?;
        let sync = found
            .as_ref()
            .and_then(|found| found.sync.clone())
            .unwrap_or_default();
        let status = subscription::status(target, &names.subscription)?;
        watch.doing(&format!("pglogical copies: {status}"));
        if sync == "r" && status == "replicating" {
            return Ok(());
        }
        if status == "down" {
            let since = *down_since.get_or_insert_with(Instant::now);
            if since.elapsed() > DOWN && matches!(sync.as_str(), "s" | "d" | "c") {
                return Err(Error::Objects {
                    side: Side::Target,
                    what: "pglogical's copy failed and was rolled back by pglogical".to_owned(),
                    failures: vec![crate::ObjectFailure {
                        object: format!("subscription {}", names.subscription),
                        sqlstate: None,
                        message: "initialization failed during a nonrecoverable step".to_owned(),
                        detail: Some("the reason stands in the target's log; generated columns and rows that a constraint of the target refuses are the usual ones".to_owned()),
                        hint: Some("mend it and run this again, which begins the copy anew, or use --copy parallel".to_owned()),
                    }],
                });
            }
            if since.elapsed() > Duration::from_secs(120) {
                return Err(Error::NotYet {
                    side: Side::Target,
                    what: format!("subscription {} does not start", names.subscription),
                    hint: "pgl-status finds out why".to_owned(),
                });
            }
            if kicked.elapsed() > Duration::from_secs(6)
                && !matches!(sync.as_str(), "s" | "d" | "c")
            {
                subscription::kick(target, &names.subscription)?;
                kicked = Instant::now();
            }
        } else {
            down_since = None;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
