//! Whether the migration was cut over, or an attempt at it is not over: then nothing is prepared any more.

use super::{Emit, Ran, Rule, facts};
use crate::Side;
use crate::cutover::{CutoverState, Purpose, refusal};
use crate::facts::{Facts, NotRun};

/// Id of the check: where it fires, no other check says anything.
pub(crate) const CUTOVER: &str = "repl.cutover";

pub(super) const CHECKS: &[Rule] = &[facts(CUTOVER, cutover)];

/// What is known of the reverse replication.
fn reverse(facts: &Facts) -> Result<String, NotRun> {
    let own = facts.names()?.back_subscription();
    let Some(pglogical) = facts.source.server.pglogical.get()? else {
        return Ok("none, pglogical is not installed on the source".to_owned());
    };
    let Some(found) = pglogical.subscriptions.iter().find(|one| one.name == own) else {
        return Ok("none, the source has no reverse subscription".to_owned());
    };
    if !found.enabled {
        return Ok("disabled".to_owned());
    }
    let slots = facts.target()?.server.slots.get()?;
    Ok(match slots.iter().find(|slot| slot.name == found.slot) {
        Some(slot) if slot.active => "its slot is active".to_owned(),
        Some(_) => "its slot is inactive".to_owned(),
        None => "its slot is gone".to_owned(),
    })
}

fn cutover(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let state = facts.cutover();
    let Some(refusal) = refusal(&state, Purpose::Fix) else {
        if let Some((name, side, other)) = facts.other_cutover()
            && let Some(refusal) = refusal(&other, Purpose::Fix)
        {
            let what = format!(
                "migration {name:?}, which the {side} belongs to, was {}",
                refusal.what
            );
            emit.find(side, what)
            .remedy(format!(
                "Give that migration's name with --name; or remove it first: pgl-teardown --name {name}."
            ));
            return Ok(());
        }
        // One side that could not be read may be the one that says so.
        facts.source.record.get()?;
        if let Some(target) = &facts.target {
            target.record.get()?;
        }
        return Ok(());
    };
    let (side, what) = match &state {
        CutoverState::CutOver(cut) => {
            let reverse = if cut.promotion.reverse {
                match reverse(facts) {
                    Ok(reverse) => format!("; reverse replication: {reverse}"),
                    Err(NotRun(reason)) => format!("; reverse replication: not known ({reason})"),
                }
            } else {
                String::new()
            };
            (Side::Target, format!("{}{reverse}", refusal.what))
        }
        CutoverState::Other(mismatch) => (mismatch.given, refusal.what),
        CutoverState::Unfinished(_) | CutoverState::Swapped | CutoverState::NotCutOver => {
            (Side::Source, refusal.what)
        }
    };
    emit.find(side, what).remedy(format!("{}.", refusal.hint));
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::Severity;
    use crate::cutover::{
        Attempt, AttemptState, DatabaseIdentity, Direction, IdentityPair, Promotion,
    };
    use crate::facts::server::{Pglogical, PglogicalSubscription, Slot};
    use crate::preflight::{Choice, fix_script, preflight};
    use crate::rules::testing::server::{on_target, override_setting};
    use crate::rules::testing::{Case, clean, fires, known, run, silent, target};

    fn promote(f: &mut Facts) {
        known(&mut target(f).record).cutover.promotion = Some(Promotion {
            at: "2026-11-29T10:12:09Z".into(),
            token: "t1".into(),
            reverse: true,
        });
    }

    fn attempt(f: &mut Facts, state: AttemptState) {
        known(&mut f.source.record).cutover.attempt = Some(Attempt {
            token: "t1".into(),
            direction: Direction::Forward,
            state,
            final_lsn: None,
            reverse: false,
            rehearsal: false,
        });
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(CUTOVER, Severity::Block, "promoted", promote),
        fires(
            CUTOVER,
            Severity::Block,
            "by the source's record alone",
            |f| {
                attempt(f, AttemptState::Done);
            },
        ),
        fires(
            CUTOVER,
            Severity::Block,
            "an attempt that is not over",
            |f| {
                attempt(f, AttemptState::Blocked);
            },
        ),
        fires(
            CUTOVER,
            Severity::Block,
            "promoted by another migration",
            |f| {
                let mut promoted = f.clone();
                promote(&mut promoted);
                let record = known(&mut target(&mut promoted).record).cutover.clone();
                let others = &mut known(&mut target(f).record).others;
                others.insert("other".into(), record);
            },
        ),
        fires(CUTOVER, Severity::Block, "a copy", |f| {
            let identity = |oid| DatabaseIdentity {
                oid,
                ..DatabaseIdentity::default()
            };
            let record = &mut known(&mut target(f).record).cutover;
            record.here = Some(identity(2));
            record.pair = Some(IdentityPair {
                side: Side::Target,
                source: identity(1),
                target: identity(1),
            });
        }),
        silent(CUTOVER, "an attempt that was aborted", |f| {
            attempt(f, AttemptState::Restored);
        }),
    ];

    #[test]
    fn after_a_cutover_nothing_is_fixed_and_nothing_else_is_said() {
        let mut facts = clean();
        promote(&mut facts);
        // The former source is read-only, as the cutover has left it.
        let read_only = "default_transaction_read_only";
        override_setting(
            &mut facts.source.server,
            Some("shop"),
            None,
            read_only,
            "on",
        );
        override_setting(on_target(&mut facts), Some("shop"), None, read_only, "on");
        *known(&mut facts.source.server.pglogical) = Some(Pglogical {
            subscriptions: vec![PglogicalSubscription {
                name: "pgl_shop_back".into(),
                enabled: true,
                slot: "back".into(),
                ..PglogicalSubscription::default()
            }],
            ..Pglogical::default()
        });
        known(&mut on_target(&mut facts).slots).push(Slot {
            name: "back".into(),
            active: true,
            ..Slot::default()
        });
        let examined = preflight(&facts, &Choice::default());
        assert_eq!(examined.blocked_by, [CUTOVER]);
        assert_eq!(examined.findings.len(), 1, "{:#?}", examined.findings);
        let what = &examined.findings[0].what;
        assert!(
            what.starts_with("cut over at 2026-11-29T10:12:09Z"),
            "{what}"
        );
        assert!(
            what.ends_with("reverse replication: its slot is active"),
            "{what}"
        );
        for side in [Side::Source, Side::Target] {
            let script = fix_script(&examined.findings, side);
            assert!(
                script
                    .lines()
                    .all(|line| line.is_empty() || line.starts_with("--")),
                "{script}"
            );
        }
        // Also where somebody asks for another check alone.
        let only = Choice {
            only: vec!["conf".into()],
            ..Choice::default()
        };
        assert_eq!(preflight(&facts, &only).blocked_by, [CUTOVER]);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_no_no() {
        let mut facts = clean();
        target(&mut facts).record = crate::facts::Section::Unknown("permission denied".into());
        let (findings, ran) = run(CUTOVER, &facts);
        assert!(findings.is_empty() && ran.is_err());
    }
}
