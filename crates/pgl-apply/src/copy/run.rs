//! The whole of a copy: slot, snapshot, workers, the notes.

use pgl_conn::{Session, SlotLifetime, Walsender, WalsenderOptions};
use pgl_core::journal::{COPY, CopyRun};
use pgl_core::setup::copy::Task;
use pgl_core::{Lsn, Side};
use schemars::JsonSchema;
use serde::Serialize;

use super::public::{self, Public};
use super::queue::Queue;
use super::reset::{self, CopyState};
use super::stream::encoding;
use super::worker::{Shared, TableCopied};
use crate::journal::write;
use crate::worker_pool::run_workers;
use crate::{Error, Servers, Watch};

/// A finished copy.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Copied {
    /// The slot.
    pub slot: String,
    /// Where changes begin.
    pub lsn: Lsn,
    /// What this run copied; empty where an earlier one had done it.
    pub tables: Vec<TableCopied>,
}

/// What there was to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// This run copied.
    Copied(Copied),
    /// An earlier one had.
    Already(Copied),
}

/// What to copy for whom.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Name of the migration.
    pub migration: &'a str,
    /// Name of the subscription.
    pub subscription: &'a str,
    /// The slot's name, as pglogical will look for it.
    pub slot: &'a str,
    /// Names the target's cluster and database, so that the source knows whose slot it is.
    pub target_id: &'a str,
    /// Tables at the same time.
    pub jobs: usize,
    /// Given where the direct way is not permitted.
    pub public: Option<Public<'a>>,
}

/// Copies everything that is not copied yet.
///
/// # Errors
/// The servers'; [`Error::Objects`] with the table that failed.
pub fn run(
    servers: &Servers,
    source: &mut Session,
    target: &mut Session,
    order: &Order<'_>,
    tasks: Vec<Task>,
    watch: &dyn Watch,
) -> Result<Outcome, Error> {
    let Order {
        migration,
        subscription,
        slot,
        target_id,
        jobs,
        public,
    } = *order;
    let unfinished = match reset::state(source, target, migration, &tasks)? {
        CopyState::Complete(run, lsn) => {
            return Ok(Outcome::Already(Copied {
                slot: run.slot,
                lsn,
                tables: Vec::new(),
            }));
        }
        CopyState::Unfinished(run) => {
            watch.say(
                "an earlier copy was not completed and its snapshot is gone: the tables that it filled are emptied and copied again",
            );
            Some(run)
        }
        CopyState::Lost(_, why) => return Err(reset::lost(migration, &why)),
        CopyState::Fresh => None,
    };
    if let Some(public) = &public {
        public::pause(source, target, public, slot, watch)?;
    }
    reset::clear(source, target, migration, unfinished.as_ref(), &tasks)?;
    let mut run = CopyRun {
        slot: slot.to_owned(),
        lsn: None,
        target: target_id.to_owned(),
        copied: false,
    };
    reset::announce(source, target, migration, &run)?;
    if let Some(public) = &public {
        public::begin(source, target, public, watch)?;
        public::pause(source, target, public, slot, watch)?;
        reset::drop_slot(source, migration, &run)?;
    }
    let walsender = Walsender::connect(&servers.source, &WalsenderOptions::new(servers.tool))?;
    watch.doing("creating the slot (it waits for every open transaction of the source)");
    let holder = {
        let _cancel = watch.cancel_on_stop(walsender.cancel_handle());
        walsender
            .create_logical_slot(slot, "pglogical_output", SlotLifetime::Permanent)
            .map_err(|error| error.with_context(format!("creating replication slot {slot}")))?
    };
    let lsn = holder.consistent_point();
    run.lsn = Some(lsn);
    write(target, migration, &COPY, &run)?;
    let encoding = encoding(source)?;
    let total = tasks.iter().map(|task| task.bytes).sum();
    let jobs = jobs.clamp(1, tasks.len().max(1));
    let queue = Queue::new(tasks);
    // Two sessions hold the snapshot: the slot's, and one that has taken it over.
    let mut keeper = servers.session(Side::Source)?;
    keeper
        .import_snapshot(holder.snapshot())
        .map_err(|error| error.with_context("importing the slot's snapshot"))?;
    let kept: String = keeper.value(
        "SELECT pg_catalog.pg_export_snapshot()",
        &[],
        "the snapshot's identifier",
    )?;
    let snapshots = [holder.snapshot().to_owned(), kept];
    let shared = Shared {
        servers,
        migration,
        subscription,
        snapshots: &snapshots,
        encoding: &encoding,
        queue: &queue,
        watch,
    };
    watch.begin("copy", total, true);
    let mut results = run_workers(jobs, || shared.work());
    loop {
        match queue.again() {
            Ok(false) => break,
            Ok(true) => results.extend(run_workers(jobs, || shared.work())),
            Err(error) => {
                results.push(Err(error));
                break;
            }
        }
    }
    watch.end();
    // Every worker has ended its transaction: whatever happens to the snapshot now does not matter.
    drop((holder, keeper));
    let mut tables = Vec::new();
    let mut first: Option<Error> = None;
    for result in results {
        match result {
            Ok(some) => tables.extend(some),
            // An interruption is only the shadow of the failure that closed the queue.
            Err(error) if matches!(first, None | Some(Error::Interrupted)) => first = Some(error),
            Err(error) => log::warn!("{error}"),
        }
    }
    if watch.stop() {
        return Err(Error::Interrupted);
    }
    if let Some(error) = first {
        return Err(error);
    }
    run.copied = true;
    write(target, migration, &COPY, &run)?;
    Ok(Outcome::Copied(Copied {
        slot: slot.to_owned(),
        lsn,
        tables,
    }))
}

/// The slot's name as pglogical derives it; asked of the server, never computed here.
///
/// # Errors
/// The server's.
pub fn slot_name(
    target: &mut Session,
    provider_node: &str,
    subscription: &str,
) -> Result<String, pgl_conn::Error> {
    target.value(
        "SELECT pglogical.pglogical_gen_slot_name(current_database(), $1::text::name, $2::text::name)::text",
        &[&provider_node, &subscription],
        "the slot's name",
    )
}
