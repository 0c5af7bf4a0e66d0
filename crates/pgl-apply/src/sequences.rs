//! Setting sequences, thousands in one round trip.
//!
//! What `setval` does is not undone by a rollback, whatever transaction it runs in: so the caller
//! decides over all sequences before the first is set, and reads back afterwards what came of it.

use pgl_conn::{Begin, Error, Session};
use pgl_core::seqsync::SequenceState;

/// A sequence on the target and the state that it shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceSetting {
    /// Object id.
    pub oid: u32,
    /// The state.
    pub state: SequenceState,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SequencesSet {
    /// Sequences that were set.
    pub set: usize,
    /// Transactions that it took; one, unless the server's lock table is too small.
    pub transactions: usize,
}

/// The lock table is full.
pub(crate) const OUT_OF_LOCKS: &str = "53200";

/// Sets all of them: in one transaction, or in as few as the lock table allows, since each
/// sequence stays locked until the end. `room` is how many locks it holds in all.
///
/// # Errors
/// The server's. What was set before the failure stays set.
pub fn set(
    session: &mut Session,
    settings: &[SequenceSetting],
    room: usize,
) -> Result<SequencesSet, Error> {
    let mut done = SequencesSet::default();
    let mut at_once = (room / 2).max(100);
    while done.set < settings.len() {
        let end = settings.len().min(done.set + at_once);
        match set_some(session, &settings[done.set..end]) {
            Ok(()) => {
                done.set = end;
                done.transactions += 1;
            }
            // Others fill the table too. The same values again do no harm.
            Err(error) if error.is_sqlstate(OUT_OF_LOCKS) && at_once > 100 => at_once /= 4,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn set_some(session: &mut Session, settings: &[SequenceSetting]) -> Result<(), Error> {
    let oids: Vec<i64> = settings.iter().map(|one| i64::from(one.oid)).collect();
    let values: Vec<i64> = settings.iter().map(|one| one.state.last_value).collect();
    let called: Vec<bool> = settings.iter().map(|one| one.state.is_called).collect();
    session.begin(Begin::ReadWrite)?;
    let outcome = session.query(
        include_str!("../sql/sequences/set.sql"),
        &[&oids, &values, &called],
    );
    match outcome {
        Ok(_) => session.commit(),
        Err(error) => {
            if !error.is_lost() {
                session.rollback()?;
            }
            Err(error)
        }
    }
}

/// Has pglogical send these sequences, by their object ids on the source, to the subscribers. The
/// messages are on their way when this returns.
///
/// # Errors
/// The server's; pglogical's where one is in no replication set. Nothing was sent then.
pub fn synchronize(session: &mut Session, oids: &[u32]) -> Result<(), Error> {
    let oids: Vec<i64> = oids.iter().map(|oid| i64::from(*oid)).collect();
    session.begin(Begin::ReadWrite)?;
    let outcome = session.query(include_str!("../sql/sequences/synchronize.sql"), &[&oids]);
    match outcome {
        Ok(_) => session.commit(),
        Err(error) => {
            if !error.is_lost() {
                session.rollback()?;
            }
            Err(error)
        }
    }
}
