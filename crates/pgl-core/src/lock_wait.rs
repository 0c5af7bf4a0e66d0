//! How a lock on a user's table is waited for: what holds it decides how long one attempt lasts, and whether
//! another one makes sense. All pure.
//!
//! A server cancels an autovacuum that keeps a table from being locked, but only `deadlock_timeout` after one
//! wait began: attempts that are shorter never get the lock. An autovacuum "to prevent wraparound" is not cancelled,
//! nor is a VACUUM that somebody started; a prepared transaction keeps its locks for ever.

use serde::{Deserialize, Serialize};

use crate::{QualifiedName, Side};

/// What a session that locks sets `deadlock_timeout` to, where it may.
pub const DEADLOCK_TIMEOUT_MS: u32 = 50;
/// What one attempt lasts beyond `deadlock_timeout`, so that the cancelled autovacuum can end.
const AFTER_CANCEL_MS: u32 = 500;

/// Who holds a lock that conflicts with ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// The table.
    pub table: QualifiedName,
    /// `ShareUpdateExclusiveLock` and the like.
    pub mode: String,
    /// The process; null for a prepared transaction.
    pub pid: Option<i32>,
    /// Identifier of a prepared transaction.
    pub gid: Option<String>,
    /// Whether it is an autovacuum worker.
    pub autovacuum: bool,
    /// Whether that runs to prevent wraparound.
    pub wraparound: bool,
    /// What the session calls itself.
    pub application: Option<String>,
    /// Where the session comes from.
    pub address: Option<String>,
}

impl LockHolder {
    /// Whether it is a VACUUM, an ANALYZE, or the like of a client.
    fn is_maintenance(&self) -> bool {
        !self.autovacuum && self.pid.is_some() && self.mode == "ShareUpdateExclusiveLock"
    }

    /// As a part of a sentence.
    pub fn said(&self, side: Side) -> String {
        let table = format!("{side} table {}", self.table);
        match (&self.gid, self.pid) {
            (Some(gid), _) => format!("prepared transaction '{gid}' holds a lock on {table}"),
            (None, None) => format!("a prepared transaction holds a lock on {table}"),
            (None, Some(pid)) if self.wraparound => {
                format!("autovacuum of {table} (pid {pid}) runs to prevent wraparound")
            }
            (None, Some(pid)) if self.autovacuum => format!("autovacuum of {table} (pid {pid})"),
            (None, Some(pid)) => {
                let application = self.application.as_deref().unwrap_or_default();
                let address = self.address.as_deref().unwrap_or("a local socket");
                format!(
                    "pid {pid} ({application:?} from {address}) holds {} on {table}",
                    self.mode
                )
            }
        }
    }

    fn hint(&self) -> String {
        match (&self.gid, self.pid) {
            (Some(gid), _) => {
                let gid = crate::quote_literal(gid);
                format!("end it with COMMIT PREPARED {gid} or ROLLBACK PREPARED {gid}")
            }
            (None, None) => {
                "pg_prepared_xacts shows it; end it with COMMIT PREPARED or ROLLBACK PREPARED"
                    .to_owned()
            }
            (None, Some(pid)) if self.autovacuum => format!(
                "wait until it has ended: SELECT * FROM pg_stat_progress_vacuum WHERE pid = {pid}"
            ),
            (None, Some(pid)) => {
                format!("wait until it has ended, or SELECT pg_terminate_backend({pid})")
            }
        }
    }
}

/// What becomes of those who hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holders {
    /// Writers are stopped as long as this lasts, and sessions of clients are ended between attempts.
    Ended,
    /// Writers are stopped by others as long as this lasts.
    Stopped,
    /// They go on between attempts.
    Waited,
}

/// What a session can do about `deadlock_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPatience {
    /// How long an attempt lasts where nothing else is known.
    pub usual_ms: u32,
    /// The session's `deadlock_timeout`.
    pub deadlock_timeout_ms: u32,
    /// Whether the session could set it.
    pub lowered: bool,
}

/// After an attempt in which the lock was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextAttempt {
    /// Again, with this `lock_timeout`.
    Wait(u32),
    /// It makes no sense: what was found, and the hint.
    GiveUp(String, String),
}

/// Decides after `attempts` attempts without the lock.
pub fn next_attempt(
    side: Side,
    found: &[LockHolder],
    holders: Holders,
    attempts: u32,
    patience: LockPatience,
) -> NextAttempt {
    let hopeless = found.iter().find(|one| {
        one.pid.is_none()
            || one.wraparound
            || match holders {
                // One that could be ended is gone by now.
                Holders::Ended => attempts > 2 && one.is_maintenance(),
                Holders::Stopped => one.is_maintenance(),
                Holders::Waited => false,
            }
    });
    if let Some(one) = hopeless {
        return NextAttempt::GiveUp(one.said(side), one.hint());
    }
    let vacuum = found.iter().any(|one| one.autovacuum);
    NextAttempt::Wait(if vacuum && !patience.lowered {
        patience
            .usual_ms
            .max(patience.deadlock_timeout_ms + AFTER_CANCEL_MS)
    } else {
        patience.usual_ms
    })
}

/// What has to end before writes are blocked, as sentences: nobody cancels it for us.
pub fn vacuums_in_the_way(side: Side, found: &[LockHolder]) -> Vec<String> {
    found
        .iter()
        .filter(|one| one.wraparound || one.is_maintenance())
        .map(|one| one.said(side))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: Option<i32>) -> LockHolder {
        LockHolder {
            table: QualifiedName::new("public", "t"),
            mode: "ShareUpdateExclusiveLock".to_owned(),
            pid,
            gid: None,
            autovacuum: false,
            wraparound: false,
            application: Some("psql".to_owned()),
            address: None,
        }
    }

    const PATIENCE: LockPatience = LockPatience {
        usual_ms: 400,
        deadlock_timeout_ms: 1000,
        lowered: false,
    };

    fn next(one: LockHolder, holders: Holders, attempts: u32) -> NextAttempt {
        next_attempt(Side::Source, &[one], holders, attempts, PATIENCE)
    }

    #[test]
    fn one_attempt_outlasts_deadlock_timeout_where_autovacuum_holds_the_table() {
        let auto = LockHolder {
            autovacuum: true,
            ..holder(Some(7))
        };
        for holders in [Holders::Ended, Holders::Stopped, Holders::Waited] {
            let waits = next(auto.clone(), holders, 9);
            assert_eq!(waits, NextAttempt::Wait(1500));
        }
        let lowered = LockPatience {
            lowered: true,
            ..PATIENCE
        };
        let waits = next_attempt(Side::Source, &[auto], Holders::Ended, 9, lowered);
        assert_eq!(waits, NextAttempt::Wait(400));
        let nobody = next_attempt(Side::Source, &[], Holders::Ended, 9, PATIENCE);
        assert_eq!(nobody, NextAttempt::Wait(400));
    }

    #[test]
    fn what_never_ends_by_itself_is_not_waited_for() {
        let wraparound = LockHolder {
            autovacuum: true,
            wraparound: true,
            ..holder(Some(7))
        };
        let prepared = LockHolder {
            gid: Some("it's".to_owned()),
            mode: "RowExclusiveLock".to_owned(),
            ..holder(None)
        };
        for holders in [Holders::Ended, Holders::Stopped, Holders::Waited] {
            let NextAttempt::GiveUp(what, _) = next(wraparound.clone(), holders, 1) else {
                panic!("waits for a wraparound vacuum");
            };
            assert_eq!(
                what,
                "autovacuum of source table public.t (pid 7) runs to prevent wraparound"
            );
            let NextAttempt::GiveUp(what, hint) = next(prepared.clone(), holders, 1) else {
                panic!("waits for a prepared transaction");
            };
            assert_eq!(
                what,
                "prepared transaction 'it's' holds a lock on source table public.t"
            );
            assert_eq!(
                hint,
                "end it with COMMIT PREPARED 'it''s' or ROLLBACK PREPARED 'it''s'"
            );
        }
    }

    #[test]
    fn a_vacuum_of_a_client_is_waited_for_only_while_writers_go_on() {
        let wait = NextAttempt::Wait(400);
        assert_eq!(next(holder(Some(7)), Holders::Waited, 9), wait);
        assert_eq!(next(holder(Some(7)), Holders::Ended, 1), wait);
        assert_ne!(next(holder(Some(7)), Holders::Ended, 3), wait);
        assert_ne!(next(holder(Some(7)), Holders::Stopped, 1), wait);
        let writer = LockHolder {
            mode: "RowExclusiveLock".to_owned(),
            ..holder(Some(7))
        };
        assert_eq!(next(writer.clone(), Holders::Stopped, 9), wait);
        assert_eq!(
            writer.said(Side::Target),
            "pid 7 (\"psql\" from a local socket) holds RowExclusiveLock on target table public.t"
        );
    }

    #[test]
    fn the_preconditions_name_what_the_server_does_not_cancel() {
        let auto = LockHolder {
            autovacuum: true,
            ..holder(Some(7))
        };
        let wraparound = LockHolder {
            wraparound: true,
            ..auto.clone()
        };
        let all = [auto, wraparound, holder(Some(8))];
        assert_eq!(vacuums_in_the_way(Side::Source, &all).len(), 2);
    }
}
