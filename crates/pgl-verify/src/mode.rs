//! Which mode, and why.

use pgl_catalog::subscription::{self, Subscription};
use pgl_catalog::verify::replication::{self, SourceRights};
use pgl_cli::Failure;
use pgl_conn::Session;
use pgl_core::verify::Mode;

use crate::args::{How, ModeArg};

/// The choice, and what it rests on.
pub(crate) struct Choice {
    pub(crate) mode: Mode,
    pub(crate) why: String,
    /// Slots through which the target is fed from this source.
    pub(crate) slots: Vec<String>,
    /// Whether the marker can be used.
    pub(crate) marker: bool,
}

/// What was seen of the replication.
struct Seen {
    subscriptions: Vec<Subscription>,
    slots: Vec<String>,
    rights: SourceRights,
    old_source: bool,
    /// Whether the target is a standby of the subscriber.
    standby: bool,
    /// Why no slot can be had that decodes; only asked where one would be.
    undecodable: Option<String>,
    /// Whether the target has been promoted.
    cut_over: bool,
}

/// Looks at both sides and chooses.
pub(crate) fn choose(
    how: &How,
    cut_over: bool,
    source: &mut Session,
    target: &mut Session,
) -> Result<Choice, Failure> {
    if how.mode == ModeArg::Static {
        return Ok(plain(Mode::Static, "asked for"));
    }
    let subscriptions = subscription::all(target)?;
    let names: Vec<String> = subscriptions.iter().map(|one| one.slot.clone()).collect();
    let slots: Vec<String> = match names.as_slice() {
        [] => Vec::new(),
        names => replication::source_slots(source, names)?
            .into_iter()
            .map(|slot| slot.name)
            .collect(),
    };
    let mut seen = Seen {
        rights: replication::rights(source)?,
        old_source: !source.version().at_least(10),
        standby: target.is_standby(),
        subscriptions,
        slots,
        undecodable: None,
        cut_over,
    };
    let choice = decide(how.mode, &seen)?;
    if choice.mode != Mode::Live {
        return Ok(choice);
    }
    seen.undecodable = replication::undecodable(source)?;
    decide(how.mode, &seen)
}

fn plain(mode: Mode, why: &str) -> Choice {
    Choice {
        mode,
        why: why.to_owned(),
        slots: Vec::new(),
        marker: false,
    }
}

fn decide(asked: ModeArg, seen: &Seen) -> Result<Choice, Failure> {
    const STATIC: &str = "--mode static compares both sides as they are; it is right only while nobody writes to either";
    if seen.subscriptions.is_empty() {
        let why = "the target has no subscription";
        return match asked {
            ModeArg::Auto => Ok(plain(
                Mode::Static,
                &format!("{why}: no migration is set up, and the tables are compared as they are"),
            )),
            _ => {
                Err(Failure::refused(format!("{why}: nothing relates the two sides")).hint(STATIC))
            }
        };
    }
    if seen.slots.is_empty() {
        let names: Vec<&str> = seen
            .subscriptions
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let names = names.join(", ");
        return Err(Failure::refused(format!(
            "the target is subscribed ({names}), and the source has no slot of that: nothing relates the two sides"
        ))
        .hint(STATIC));
    }
    let disabled = seen
        .subscriptions
        .iter()
        .find(|one| !one.enabled && seen.slots.contains(&one.slot));
    if let Some(one) = disabled {
        let name = &one.name;
        if seen.cut_over {
            // Enabled, it would write what the former source has to the production database.
            return Err(Failure::refused(format!(
                "subscription {name} of the target was disabled by the cutover: what is written to either side since is not on the other"
            ))
            .hint(STATIC));
        }
        return Err(Failure::refused(format!(
            "subscription {name} of the target is disabled: what the source has written since is not there"
        ))
        .hint(format!(
            "to resume replication: pgl-control resume; without pgl-setup, on the target: SELECT pglogical.alter_subscription_enable({})",
            pgl_core::quote_literal(name)
        ))
        .hint(STATIC));
    }
    if seen.standby {
        // It shows a transaction before it has moved the origin, and the source's slot follows its primary.
        return Err(Failure::refused(
            "the target is a standby: nothing says which changes of the source can be seen there",
        )
        .hint("compare with the primary that it follows")
        .hint(STATIC));
    }
    let with = |mode, why: String, marker| Choice {
        mode,
        why,
        slots: seen.slots.clone(),
        marker,
    };
    if asked == ModeArg::Barrier {
        return Ok(with(Mode::Barrier, "asked for".to_owned(), false));
    }
    let missing = if seen.old_source {
        Some("temporary slots exist from PostgreSQL 10 on")
    } else if seen.slots.len() > 1 {
        Some("several subscriptions feed the target")
    } else {
        seen.undecodable.as_deref()
    };
    if let Some(missing) = missing {
        let why = format!("{missing}: what was written meanwhile is found by row versions");
        return Ok(with(Mode::Fenced, why, false));
    }
    let marker = seen.rights.marker && seen.rights.marker_writable;
    let why = if marker {
        "subscription found; slot and marker row"
    } else {
        "subscription found; slot, and the target's position in place of a marker row"
    };
    Ok(with(Mode::Live, why.to_owned(), marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(subscriptions: usize, slots: usize) -> Seen {
        let one = |at: usize| Subscription {
            name: format!("s{at}"),
            slot: format!("slot{at}"),
            enabled: true,
            sets: Vec::new(),
            sync: None,
            tables_behind: 0,
        };
        Seen {
            subscriptions: (0..subscriptions).map(one).collect(),
            slots: (0..slots).map(|at| format!("slot{at}")).collect(),
            rights: SourceRights {
                marker: true,
                marker_writable: true,
            },
            old_source: false,
            standby: false,
            undecodable: None,
            cut_over: false,
        }
    }

    fn mode(asked: ModeArg, seen: &Seen) -> Result<Mode, pgl_core::Exit> {
        decide(asked, seen).map(|c| c.mode).map_err(|f| f.exit)
    }

    #[test]
    fn live_only_where_something_relates_the_sides() {
        let refused = Err(pgl_core::Exit::Refused);
        assert_eq!(mode(ModeArg::Auto, &seen(0, 0)), Ok(Mode::Static));
        assert_eq!(mode(ModeArg::Live, &seen(0, 0)), refused);
        assert_eq!(mode(ModeArg::Barrier, &seen(0, 0)), refused);
        assert_eq!(mode(ModeArg::Auto, &seen(1, 1)), Ok(Mode::Live));
        assert_eq!(mode(ModeArg::Auto, &seen(2, 2)), Ok(Mode::Fenced));
        assert_eq!(mode(ModeArg::Barrier, &seen(1, 1)), Ok(Mode::Barrier));
        for (subscriptions, expected) in [(0, Ok(Mode::Static)), (1, refused)] {
            let mut standby = seen(subscriptions, 1);
            standby.standby = true;
            assert_eq!(mode(ModeArg::Auto, &standby), expected);
        }
        let mut without_plugin = seen(1, 1);
        without_plugin.undecodable = Some("could not access file \"test_decoding\"".to_owned());
        assert_eq!(mode(ModeArg::Auto, &without_plugin), Ok(Mode::Fenced));
        assert_eq!(mode(ModeArg::Barrier, &without_plugin), Ok(Mode::Barrier));
        let mut unmarked = seen(1, 1);
        unmarked.rights.marker = false;
        let choice = decide(ModeArg::Auto, &unmarked)
            .map_err(|f| f.message)
            .unwrap();
        assert_eq!((choice.mode, choice.marker), (Mode::Live, false));
    }

    /// A subscription that does not run, or not from here, never makes a plain comparison of two live sides.
    #[test]
    fn a_subscription_that_does_not_run_is_refused() {
        for asked in [ModeArg::Auto, ModeArg::Live, ModeArg::Barrier] {
            assert_eq!(mode(asked, &seen(1, 0)), Err(pgl_core::Exit::Refused));
            let mut disabled = seen(2, 2);
            disabled.subscriptions[1].enabled = false;
            let refusal = decide(asked, &disabled).map(|c| c.mode).unwrap_err();
            assert_eq!(refusal.exit, pgl_core::Exit::Refused);
            assert!(
                refusal.message.contains("subscription s1"),
                "{}",
                refusal.message
            );
            let hint =
                |seen: &Seen| format!("{:?}", decide(asked, seen).map(|_| ()).unwrap_err().hints);
            assert!(hint(&disabled).contains("alter_subscription_enable"));
            disabled.cut_over = true;
            assert!(!hint(&disabled).contains("alter_subscription_enable"));
            // One that is fed from elsewhere says nothing of this source.
            disabled.slots = vec!["slot0".to_owned()];
            assert!(decide(asked, &disabled).is_ok());
        }
    }
}
