//! `pause` and `resume`.

use pgl_apply::{control, journal, subscription};
use pgl_cli::Failure;
use pgl_core::Side;
use pgl_core::doc::Verdict;
use pgl_core::journal::{MOVED, PAUSE};

use crate::context::failure;
use crate::work::{Outcome, Work};

/// Whether somebody reads the slot, which has to exist.
fn slot_active(work: &mut Work<'_>, slot: &str) -> Result<bool, Failure> {
    control::slot_active(&mut work.migration.source, slot)?.ok_or_else(|| {
        Failure::refused(format!(
            "slot {slot} is gone: what the source writes is not kept for the target"
        ))
        .on(Side::Source)
        .hint("pgl-status shows more; the migration has to be set up again")
    })
}

pub(crate) fn pause(work: &mut Work<'_>) -> Outcome {
    let name = work.migration.plan.names.subscription.clone();
    let now = work.migration.worker().map_err(failure)?;
    let reading = slot_active(work, &now.slot)?;
    let migration = work.migration.name.clone();
    if !now.enabled && now.processes == 0 && !reading {
        work.body.already = true;
        work.body
            .already("target.disable", Side::Target, "replication is paused");
        let noted = journal::read(&mut work.migration.target, &migration, &PAUSE)?;
        if noted.flatten().is_none() && !work.body.dry_run {
            // Whoever stopped it: from here on the positions are known.
            note_positions(work)?;
        }
        return Ok(Verdict::Ok);
    }
    let note = journal::statement(&migration, &PAUSE, &None);
    let disable = control::disable_sql(&name);
    work.body.note(
        "what the source writes is kept by its slot, on the source's disk, until replication goes on",
    );
    if work.body.dry_run {
        let what = "disable the subscription and wait until its worker is gone";
        work.body
            .step("target.disable", Side::Target, what, [disable, note]);
        return Ok(Verdict::Ok);
    }
    if now.enabled {
        control::disable(&mut work.migration.target, &name, &note)?;
        let what = format!("subscription {name} disabled");
        work.body
            .step("target.disable", Side::Target, what, [disable, note]);
    } else {
        work.body
            .already("target.disable", Side::Target, "it is disabled");
    }
    control::wait_stopped(
        &mut work.migration.source,
        &mut work.migration.target,
        &name,
        work.args.timeout,
        work.watch,
    )
    .map_err(failure)?;
    note_positions(work)?;
    let what = format!("its worker is gone and nobody reads slot {}", now.slot);
    work.body.step("stopped", None, what, []);
    Ok(Verdict::Ok)
}

fn note_positions(work: &mut Work<'_>) -> Result<(), Failure> {
    let migration = &mut work.migration;
    let name = &migration.plan.names.subscription;
    let at = control::paused_at(&mut migration.source, &mut migration.target, name)?;
    Ok(journal::write(
        &mut migration.target,
        &migration.name,
        &PAUSE,
        &Some(at),
    )?)
}

/// What was moved forward since the pause, as a sentence. Where the pause was not ours, only a slot that was created again shows.
fn moved(work: &mut Work<'_>, slot: &str) -> Result<Option<String>, Failure> {
    let migration = &mut work.migration;
    let (name, subscription) = (&migration.name, &migration.plan.names.subscription);
    let then = journal::read(&mut migration.target, name, &PAUSE)?.flatten();
    let (source, target) = (&mut migration.source, &mut migration.target);
    let now = control::paused_at(source, target, subscription)?;
    Ok(match then {
        Some(then) => then
            .moved(&now)
            .map(|what| format!("{what} while replication was paused, or it was enabled without pgl-control meanwhile")),
        None => control::slot_history(source, target, name, slot)?.recreated(&now),
    })
}

/// Records that something was moved, and asks.
fn not_moved(work: &mut Work<'_>, slot: &str) -> Result<(), Failure> {
    let Some(what) = moved(work, slot)? else {
        return Ok(());
    };
    work.body.note(format!(
        "{what}: changes are missing on the target; pgl-status and pgl-cutover say so until each replicated table was compared or copied again with pgl-control resync"
    ));
    if work.body.dry_run {
        return Ok(());
    }
    // Also for one who enables the subscription without this tool.
    let migration = &mut work.migration;
    journal::write(&mut migration.target, &migration.name, &MOVED, &what)?;
    work.consent(&format!(
        "{what}: what the source wrote before is missing on the target, also after this. \
         Afterwards pgl-control resync compares the replicated tables and copies those that differ."
    ))
}

pub(crate) fn resume(work: &mut Work<'_>) -> Outcome {
    let name = work.migration.plan.names.subscription.clone();
    let migration = work.migration.name.clone();
    let now = work.migration.worker().map_err(failure)?;
    let enable = control::enable_sql(&name);
    let forget = journal::forget(&migration, &PAUSE);
    if !now.enabled {
        slot_active(work, &now.slot)?;
        not_moved(work, &now.slot)?;
    }
    if work.body.dry_run {
        if now.enabled {
            work.body.already = true;
            work.body
                .already("target.enable", Side::Target, "replication is not paused");
        } else {
            let what = "enable the subscription and wait until a marker is replicated";
            work.body
                .step("target.enable", Side::Target, what, [enable, forget]);
        }
        return Ok(Verdict::Ok);
    }
    crate::skip::take_back(work)?;
    if now.enabled {
        // The pause is over, whoever ended it: the next one may not be ours.
        control::write_note(&mut work.migration.target, &forget)?;
        work.body.already = true;
        work.body
            .already("target.enable", Side::Target, "it is enabled");
    } else {
        control::enable(&mut work.migration.target, &name, &forget)?;
        let what = format!("subscription {name} enabled");
        work.body
            .step("target.enable", Side::Target, what, [enable, forget]);
    }
    subscription::wait_running(
        &mut work.migration.source,
        &mut work.migration.target,
        &name,
        work.args.timeout,
        work.watch,
    )
    .map_err(failure)?;
    work.settle()?;
    work.body.step(
        "arrived",
        None,
        "a marker of the source has arrived on the target",
        [],
    );
    Ok(Verdict::Ok)
}
