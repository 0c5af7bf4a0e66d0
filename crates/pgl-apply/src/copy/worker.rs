//! One worker: a session on either side. The source's takes the slot's snapshot over anew for each table, so that a
//! table is locked only while it is copied: the application can truncate and alter those that are done.

use std::time::Instant;

use pgl_catalog::foreign_keys::referring;
use pgl_conn::{Error as ConnError, Session};
use pgl_core::Side;
use pgl_core::control::Emptied;
use pgl_core::journal::{CopiedRows, part};
use pgl_core::setup::copy::{RowScope, Task};
use schemars::JsonSchema;
use serde::Serialize;

use super::queue::Queue;
use super::statement::Freeze;
use super::stream::{Streamed, stream};
use crate::control::copied_part;
use crate::journal::write;
use crate::{Error, ObjectFailure, Servers, Watch, lock};

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TableCopied {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows, equal on both sides.
    pub rows: u64,
    /// Bytes that travelled.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// What all workers share.
pub(super) struct Shared<'a> {
    pub(super) servers: &'a Servers,
    pub(super) migration: &'a str,
    pub(super) subscription: &'a str,
    /// Identifiers of the snapshot, each exported by another session: one that is lost does not end the copy.
    pub(super) snapshots: &'a [String],
    pub(super) encoding: &'a str,
    pub(super) queue: &'a Queue,
    pub(super) watch: &'a dyn Watch,
}

/// A table this small is counted again under the snapshot, by other means than the stream.
const COUNT_UP_TO: u64 = 32 << 20;
/// A table this small is not truncated before: frozen rows are worth less there than the new files of it and its indexes cost.
const NOT_TRUNCATED_UP_TO: u64 = 1 << 20;
/// How often a task is tried when connections break.
const TRIES: u32 = 3;

/// Whether a CHECK refuses a row: as such, or because a function in PL/pgSQL that it calls raises an error.
fn of_a_check(sqlstate: &str) -> bool {
    sqlstate == "23514" || sqlstate.starts_with("P0")
}

struct Sessions {
    source: Session,
    target: Session,
}

impl Shared<'_> {
    fn open(&self) -> Result<Sessions, ConnError> {
        let source = self.servers.session(Side::Source)?;
        let mut target = self.servers.loader()?;
        lock::join(&mut target, self.migration)?;
        Ok(Sessions { source, target })
    }

    fn import(&self, source: &mut Session) -> Result<(), ConnError> {
        let mut outcome = Ok(());
        for id in self.snapshots {
            outcome = source.import_snapshot(id);
            match &outcome {
                Err(error) if !error.is_lost() => {}
                _ => break,
            }
        }
        outcome.map_err(|error| error.with_context("importing the slot's snapshot"))
    }

    /// Takes tasks until there are none.
    pub(super) fn work(&self) -> Result<Vec<TableCopied>, Error> {
        let result = self.work_all();
        if result.is_err() {
            self.queue.close();
        }
        result
    }

    fn work_all(&self) -> Result<Vec<TableCopied>, Error> {
        let mut sessions = self.open()?;
        let mut done = Vec::new();
        while let Some((number, task)) = self.queue.take() {
            self.watch.doing(&task.table.to_string());
            let mut tries = 0;
            loop {
                if self.watch.stop() {
                    return Err(Error::Interrupted);
                }
                let _source = self.watch.cancel_on_stop(sessions.source.cancel_handle());
                let _target = self.watch.cancel_on_stop(sessions.target.cancel_handle());
                match self.copy(&mut sessions, number, &task) {
                    Ok(copied) => {
                        done.push(copied);
                        break;
                    }
                    Err(_) if self.watch.stop() => return Err(Error::Interrupted),
                    Err(Error::Server(error)) if error.is_lost() && tries + 1 < TRIES => {
                        tries += 1;
                        self.watch
                            .say(&format!("{}: {error}; trying again", task.table));
                        sessions = self.open()?;
                    }
                    Err(Error::Server(error)) => {
                        let failed = Error::Objects {
                            side: error.side,
                            what: "copying rows failed".to_owned(),
                            failures: vec![ObjectFailure::new(task.table.to_string(), &error)],
                        };
                        if !(error.sqlstate.as_deref()).is_some_and(of_a_check) {
                            return Err(failed);
                        }
                        self.watch.say(&format!(
                            "{}: {error}; again after the other tables",
                            task.table
                        ));
                        self.queue.refused(number, task, failed);
                        sessions.source.rollback()?;
                        sessions.target.rollback()?;
                        break;
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(done)
    }

    /// One task in one transaction of either side, on the target together with its row in the journal.
    fn copy(
        &self,
        sessions: &mut Sessions,
        number: usize,
        task: &Task,
    ) -> Result<TableCopied, Error> {
        let started = Instant::now();
        let Sessions { source, target } = sessions;
        self.import(source)?;
        let freeze = self.begin(target, task)?;
        let Streamed { sent, taken, bytes } =
            stream(source, target, task, self.encoding, freeze, self.watch)?;
        self.compare_counts(source, task, sent, taken)?;
        source.commit()?;
        let xid: String = target.value(
            "SELECT (pg_catalog.txid_current() % 4294967296)::text",
            &[],
            "the transaction that copies",
        )?;
        // A table of this name that is another object later was not filled by this copy.
        let filled = copied_part(
            target,
            self.subscription,
            &task.table,
            Some(CopiedRows { rows: taken, xid }),
        )?;
        let key = part(&task.table, Some(number));
        write(target, self.migration, &key, &filled)?;
        target.commit()?;
        Ok(TableCopied {
            schema: task.table.schema.clone(),
            name: task.table.name.clone(),
            rows: taken,
            bytes,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Begins the transaction, and empties a large table in it where that is harmless, so that its rows can be
    /// written frozen; refuses one with rows that are not ours.
    fn begin(&self, target: &mut Session, task: &Task) -> Result<Freeze, Error> {
        if task.rows != RowScope::All {
            target.batch("BEGIN")?;
            return Ok(Freeze::No);
        }
        let table = task.table.sql();
        target.batch(&format!(
            "BEGIN; LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE"
        ))?;
        let filled: bool = target.with_views(false, |target| {
            target.value(
                &format!("SELECT EXISTS (SELECT FROM ONLY {table})"),
                &[],
                "whether the table holds rows",
            )
        })?;
        if filled {
            return Err(Error::refused(
                Side::Target,
                format!("{} has got rows since this run began", task.table),
                "somebody writes to the target: keep everybody away from it until the cutover",
            ));
        }
        if task.bytes <= NOT_TRUNCATED_UP_TO {
            return Ok(Freeze::No);
        }
        match Emptied::of(&referring(target, std::slice::from_ref(&task.table))?) {
            Emptied::Delete => Ok(Freeze::No),
            Emptied::Truncate => {
                target.batch(&format!("TRUNCATE ONLY {table}"))?;
                Ok(Freeze::Yes)
            }
        }
    }

    fn compare_counts(
        &self,
        source: &mut Session,
        task: &Task,
        sent: u64,
        taken: u64,
    ) -> Result<(), Error> {
        let mut counted = None;
        if task.bytes <= COUNT_UP_TO && task.rows == RowScope::All {
            counted = Some(source.count(
                &format!("SELECT count(*) FROM ONLY {}", task.table.sql()),
                &[],
                "the number of rows",
            )?);
        }
        if sent == taken && counted.is_none_or(|counted| counted == sent) {
            return Ok(());
        }
        let counted = counted.map_or_else(String::new, |n| format!(", the source counts {n}"));
        Err(Error::Objects {
            side: Side::Target,
            what: "row counts differ".to_owned(),
            failures: vec![ObjectFailure {
                object: task.table.to_string(),
                sqlstate: None,
                message: format!("the source sent {sent} rows, the target took {taken}{counted}"),
                detail: None,
                context: None,
                hint: Some("a trigger or rule of the target drops rows".to_owned()),
            }],
        })
    }
}
