//! `pause` and `resume`.

use pgl_apply::{control, subscription};
use pgl_cli::Failure;
use pgl_core::Side;
use pgl_core::doc::Verdict;
use serde_json::json;

use crate::ground::failure;
use crate::run::{Outcome, Work};

/// The journal's note about a pause.
const PAUSE: &str = "pause";

pub(crate) fn pause(work: &mut Work<'_>) -> Outcome {
    let name = work.ground.plan.names.subscription.clone();
    let now = work.ground.worker().map_err(failure)?;
    let reading = control::slot_active(&mut work.ground.source, &now.slot)?;
    if reading.is_none() {
        return Err(Failure::refused(format!(
            "slot {} is gone: what the source writes is not kept for the target",
            now.slot
        ))
        .on(Side::Source)
        .hint("pgl-status tells more; the migration has to be set up again"));
    }
    if !now.enabled && now.processes == 0 && reading == Some(false) {
        work.body.already = true;
        work.body
            .already("target.disable", Side::Target, "replication is paused");
        return Ok(Verdict::Ok);
    }
    let migration = work.ground.name.clone();
    let note = control::note_statement(&migration, PAUSE, "paused", &json!({"slot": now.slot}));
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
        control::disable(&mut work.ground.target, &name, &note)?;
        let what = format!("subscription {name} disabled");
        work.body
            .step("target.disable", Side::Target, what, [disable, note]);
    } else {
        work.body
            .already("target.disable", Side::Target, "it is disabled");
    }
    control::wait_stopped(
        &mut work.ground.source,
        &mut work.ground.target,
        &name,
        work.args.timeout,
        work.watch,
    )
    .map_err(failure)?;
    let what = format!("its worker is gone and nobody reads slot {}", now.slot);
    work.body.step("stopped", None, what, []);
    Ok(Verdict::Ok)
}

pub(crate) fn resume(work: &mut Work<'_>) -> Outcome {
    let name = work.ground.plan.names.subscription.clone();
    let migration = work.ground.name.clone();
    let now = work.ground.worker().map_err(failure)?;
    let enable = control::enable_sql(&name);
    let forget = control::forget(&migration, PAUSE);
    if work.body.dry_run {
        if now.enabled {
            work.body.already = true;
            work.body
                .already("target.enable", Side::Target, "replication is not paused");
        } else {
            let what = "enable the subscription and wait until a marker has travelled";
            work.body
                .step("target.enable", Side::Target, what, [enable, forget]);
        }
        return Ok(Verdict::Ok);
    }
    crate::skip::take_back(work)?;
    if now.enabled {
        work.body.already = true;
        work.body
            .already("target.enable", Side::Target, "it is enabled");
    } else {
        control::enable(&mut work.ground.target, &name, &forget)?;
        let what = format!("subscription {name} enabled");
        work.body
            .step("target.enable", Side::Target, what, [enable, forget]);
    }
    subscription::wait_running(
        &mut work.ground.target,
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
