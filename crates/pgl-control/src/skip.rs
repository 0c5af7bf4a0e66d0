//! `skip`: the transaction that stops the target is left out, and only that one.

use std::time::{Duration, Instant};

use pgl_apply::{Watch, control, journal, subscription};
use pgl_catalog::server::grantee;
use pgl_cli::Failure;
use pgl_core::control::{Look, Transaction, failing};
use pgl_core::doc::Verdict;
use pgl_core::journal::{SKIPS, Skip};
use pgl_core::rights::SKIP;
use pgl_core::{Lsn, Side};

use crate::context::failure;
use crate::work::{Outcome, Work};

/// How long the target is watched: pglogical tries again after 5 s at the earliest.
const WATCHED: Duration = Duration::from_secs(8);
const EVERY: Duration = Duration::from_millis(200);

/// The statements that record whether a transaction is skipped by now.
fn recorded(migration: &str, transaction: &Transaction, skipped: bool) -> String {
    let transaction = transaction.clone();
    let key = SKIPS.of(transaction.lsn);
    journal::statement(
        migration,
        &key,
        &Skip {
            skipped,
            transaction,
        },
    )
}

pub(crate) fn run(work: &mut Work<'_>, lsn: Option<Lsn>) -> Outcome {
    may_move(work)?;
    if let Some(lsn) = lsn {
        let migration = work.migration.name.clone();
        match journal::read(&mut work.migration.target, &migration, &SKIPS.of(lsn))? {
            Some(kept) if kept.skipped => {
                work.body.already = true;
                work.body.transaction = Some(kept.transaction);
                work.body
                    .already("target.advance", Side::Target, "it was left out before");
                return Ok(Verdict::Ok);
            }
            // A run that was killed: the same consent holds.
            Some(kept) if work.args.yes && !work.body.dry_run => {
                work.body.transaction = Some(kept.transaction.clone());
                return leave_out(work, &kept.transaction);
            }
            _ => {}
        }
    }
    let found = examine(work)?;
    work.body.transaction = Some(found.clone());
    let advance = control::advance_sql(&work.migration.subscription.slot, found.lsn);
    for table in &found.tables {
        work.body.note(format!(
            "{table} will differ from the source afterwards: pgl-verify names the rows, pgl-control resync fixes it"
        ));
    }
    if found.changes > found.shown.len() as u64 {
        work.body.note(format!(
            "{} of its {} changes are shown",
            found.shown.len(),
            found.changes
        ));
    }
    if work.body.dry_run {
        let name = work.migration.plan.names.subscription.clone();
        work.body.step(
            "target.disable",
            Side::Target,
            "disable the subscription, note the transaction",
            [control::disable_sql(&name)],
        );
        work.body.step(
            "target.advance",
            Side::Target,
            "move the target's position behind the transaction",
            [advance],
        );
        work.body.step(
            "target.enable",
            Side::Target,
            "enable the subscription and wait until a marker is replicated",
            [control::enable_sql(&name)],
        );
        return Ok(Verdict::Ok);
    }
    match (lsn, work.args.yes) {
        (Some(lsn), true) if lsn == found.lsn => {}
        (Some(lsn), _) if lsn != found.lsn => {
            work.body.error = Some(format!(
                "the transaction that stops the target ends at {}, not at {lsn}",
                found.lsn
            ));
            return Ok(Verdict::Refused);
        }
        _ => {
            work.body.error = Some(format!(
                "its changes would be lost on the target: fix the cause where that is possible, else pgl-control skip --lsn {} --yes leaves it out",
                found.lsn
            ));
            return Ok(Verdict::Refused);
        }
    }
    let note = recorded(&work.migration.name, &found, false);
    let name = work.migration.plan.names.subscription.clone();
    control::disable(&mut work.migration.target, &name, &note)?;
    work.body.step(
        "target.disable",
        Side::Target,
        "subscription disabled, the transaction noted in pgl.journal",
        [],
    );
    leave_out(work, &found)
}

/// Every right that is needed to the end, before anything is stopped.
fn may_move(work: &mut Work<'_>) -> Result<(), Failure> {
    let missing = control::origin_rights(&mut work.migration.target)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    Err(Failure::refused(format!(
        "this role may not read or move the target's position: {names}"
    ))
    .on(Side::Target)
    .hint(SKIP.hint(Side::Target, &grantee(&mut work.migration.target)?)))
}

/// What stops the target; a refusal where nothing does.
fn examine(work: &mut Work<'_>) -> Result<Transaction, Failure> {
    if !work.migration.worker().map_err(failure)?.enabled {
        return Err(Failure::refused("replication is paused: nothing fails")
            .on(Side::Target)
            .hint("pgl-control resume lets it try; then skip shows what stops it"));
    }
    work.watch
        .say("watching the target's apply worker for some seconds");
    let started = Instant::now();
    let mut looks: Vec<Look> = Vec::new();
    while started.elapsed() < WATCHED && !failing_soon(&looks) {
        work.context.interrupt.check()?;
        let now = work.migration.worker().map_err(failure)?;
        looks.push(Look {
            position: now.position,
            worker: now.worker,
        });
        std::thread::sleep(EVERY);
    }
    if !failing(&looks) {
        return Err(Failure::refused(
            "nothing stops the target: its apply worker runs, or advances",
        )
        .on(Side::Target)
        .hint("pgl-status shows what it does"));
    }
    let position = looks.last().and_then(|look| look.position);
    next(work, position)?.ok_or_else(|| {
        Failure::refused("the apply worker fails, but no transaction waits for it: another cause")
            .on(Side::Target)
            .hint("pgl-status reports why")
    })
}

/// Enough to tell, without watching to the end: it was gone for a second and stood still.
fn failing_soon(looks: &[Look]) -> bool {
    looks.len() > 10
        && looks.iter().rev().take(5).all(|look| look.worker.is_none())
        && failing(looks)
}

fn next(work: &mut Work<'_>, position: Option<Lsn>) -> Result<Option<Transaction>, Failure> {
    let slot = work.migration.subscription.slot.clone();
    let sets = work.migration.subscription.sets.clone();
    control::look(
        &mut work.migration.source,
        &slot,
        position.unwrap_or(Lsn(0)),
        &sets,
    )
    .map_err(failure)
}

/// With the subscription disabled: looks once more, moves the position, starts again.
fn leave_out(work: &mut Work<'_>, wanted: &Transaction) -> Outcome {
    let name = work.migration.plan.names.subscription.clone();
    let migration = work.migration.name.clone();
    let now = work.migration.worker().map_err(failure)?;
    if now.enabled {
        let note = recorded(&migration, wanted, false);
        control::disable(&mut work.migration.target, &name, &note)?;
    }
    control::wait_stopped(
        &mut work.migration.source,
        &mut work.migration.target,
        &name,
        work.args.timeout,
        work.watch,
    )
    .map_err(failure)?;
    let now = work.migration.worker().map_err(failure)?;
    if now.position.is_some_and(|position| position >= wanted.lsn) {
        work.body.already(
            "target.advance",
            Side::Target,
            "the target's position is behind it already",
        );
    } else {
        let again = next(work, now.position)?;
        if again.as_ref().map(|one| (&one.xid, one.lsn)) != Some((&wanted.xid, wanted.lsn)) {
            take_back(work)?;
            enable(work, &journal::forget(&migration, &SKIPS.of(wanted.lsn)))?;
            return Err(Failure::refused(
                "the next transaction of the target is another one now; nothing was skipped",
            )
            .on(Side::Target)
            .hint("run pgl-control skip again"));
        }
        control::advance(&mut work.migration.target, &now.slot, wanted.lsn).map_err(failure)?;
        work.body.step(
            "target.advance",
            Side::Target,
            format!(
                "position moved to {}: transaction {} with {} changes is left out, the next one comes",
                wanted.lsn, wanted.xid, wanted.changes
            ),
            [control::advance_sql(&now.slot, wanted.lsn)],
        );
    }
    enable(work, &recorded(&migration, wanted, true))?;
    let running = subscription::wait_running(
        &mut work.migration.source,
        &mut work.migration.target,
        &name,
        work.args.timeout.min(Duration::from_secs(60)),
        work.watch,
    );
    if let Err(error) = running {
        return stopped_again(work, error);
    }
    work.settle()?;
    work.body.step(
        "arrived",
        None,
        "what the source wrote after it arrives: a marker was replicated",
        [],
    );
    Ok(Verdict::Ok)
}

/// The next transaction fails, too: that is another decision.
fn stopped_again(work: &mut Work<'_>, error: pgl_apply::Error) -> Outcome {
    match error {
        pgl_apply::Error::NotYet { what, .. } => {
            work.body.error = Some(format!(
                "{what}: the next transaction may fail, too; pgl-control skip shows it"
            ));
            Ok(Verdict::NotYet)
        }
        other => Err(failure(other)),
    }
}

fn enable(work: &mut Work<'_>, note: &str) -> Result<(), Failure> {
    let name = work.migration.plan.names.subscription.clone();
    let sql = control::enable_sql(&name);
    control::enable(&mut work.migration.target, &name, note)?;
    work.body
        .step("target.enable", Side::Target, "subscription enabled", [sql]);
    Ok(())
}

/// Settles notes of runs that were killed, before replication goes on: a transaction behind which
/// the target stands was left out, another was not.
pub(crate) fn take_back(work: &mut Work<'_>) -> Result<(), Failure> {
    let migration = work.migration.name.clone();
    let position = work.migration.worker().map_err(failure)?.position;
    for kept in journal::all(&mut work.migration.target, &migration, &SKIPS)? {
        if kept.skipped {
            continue;
        }
        may_move(work)?;
        let lsn = kept.transaction.lsn;
        let left_out = position.is_some_and(|at| at >= lsn);
        let sql = if left_out {
            recorded(&migration, &kept.transaction, true)
        } else {
            journal::forget(&migration, &SKIPS.of(lsn))
        };
        control::write_note(&mut work.migration.target, &sql)?;
        work.body.note(if left_out {
            format!("skip {lsn}: an earlier run had left it out")
        } else {
            format!("skip {lsn}: an earlier run had begun it; rolled back")
        });
    }
    Ok(())
}
