//! Which mode, and why.

use pgl_catalog::verify::replication::{self, Rights, Subscription};
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
    rights: Rights,
    old_source: bool,
    /// Why no slot can be had that decodes; only asked where one would be.
    undecodable: Option<String>,
}

/// Looks at both sides and chooses.
pub(crate) fn choose(
    how: &How,
    source: &mut Session,
    target: &mut Session,
) -> Result<Choice, Failure> {
    if how.mode == ModeArg::Static {
        return Ok(plain(Mode::Static, "asked for"));
    }
    let subscriptions: Vec<Subscription> = replication::subscriptions(target)?
        .into_iter()
        .filter(|one| one.enabled)
        .collect();
    let names: Vec<String> = subscriptions.iter().map(|one| one.slot.clone()).collect();
    let slots: Vec<String> = if names.is_empty() {
        Vec::new()
    } else {
        replication::source_slots(source, &names)?
            .into_iter()
            .map(|slot| slot.name)
            .collect()
    };
    let mut seen = Seen {
        rights: replication::rights(source)?,
        old_source: !source.version().at_least(10),
        subscriptions,
        slots,
        undecodable: None,
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
    if seen.slots.is_empty() {
        let why = if seen.subscriptions.is_empty() {
            "no enabled subscription on the target"
        } else {
            "no slot of the target's subscriptions on this source"
        };
        return match asked {
            ModeArg::Auto => Ok(plain(Mode::Static, why)),
            _ => Err(
                Failure::refused(format!("{why}: nothing relates the two sides"))
                    .hint("--mode static compares them as they are, when nobody writes"),
            ),
        };
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
    } else if !seen.rights.replication {
        Some("the role has no REPLICATION attribute on the source")
    } else if seen.slots.len() > 1 {
        Some("several subscriptions feed the target")
    } else {
        seen.undecodable.as_deref()
    };
    if let Some(missing) = missing {
        let why = format!("{missing}: rows that differ are read again behind a fence");
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
        };
        Seen {
            subscriptions: (0..subscriptions).map(one).collect(),
            slots: (0..slots).map(|at| format!("slot{at}")).collect(),
            rights: Rights {
                replication: true,
                marker: true,
                marker_writable: true,
            },
            old_source: false,
            undecodable: None,
        }
    }

    #[test]
    fn live_only_where_something_relates_the_sides() {
        let mode = |asked, seen: &Seen| decide(asked, seen).map(|c| c.mode).map_err(|f| f.exit);
        assert_eq!(mode(ModeArg::Auto, &seen(0, 0)), Ok(Mode::Static));
        assert_eq!(mode(ModeArg::Auto, &seen(1, 0)), Ok(Mode::Static));
        assert_eq!(
            mode(ModeArg::Live, &seen(1, 0)),
            Err(pgl_core::Exit::Refused)
        );
        assert_eq!(mode(ModeArg::Auto, &seen(1, 1)), Ok(Mode::Live));
        assert_eq!(mode(ModeArg::Auto, &seen(2, 2)), Ok(Mode::Fenced));
        assert_eq!(mode(ModeArg::Barrier, &seen(1, 1)), Ok(Mode::Barrier));
        let mut poor = seen(1, 1);
        poor.rights.replication = false;
        assert_eq!(mode(ModeArg::Live, &poor), Ok(Mode::Fenced));
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
}
