//! What is not replicated without anybody saying so: changes with a replication origin, which no subscription of a migration
//! forwards, and what a subscriber has lost that it had confirmed.

use pgl_conn::{Error, Kind, Session};
use pgl_core::Plan;
use pgl_core::cutover::{Direction, Timelines};
use pgl_core::journal::{MARKS, PROMOTED_MARKS};

use super::reverse::back_names;
use crate::copy;
use crate::journal::read;

/// The timelines of the subscriber; null where none was kept.
///
/// # Errors
/// The servers'.
pub fn timelines(
    direction: Direction,
    provider: &mut Session,
    subscriber: &mut Session,
    migration: &str,
) -> Result<Option<Timelines>, Error> {
    let kept = match direction {
        Direction::Forward => read(subscriber, migration, &MARKS)?,
        Direction::Back => read(provider, migration, &PROMOTED_MARKS)?,
    };
    let then = kept.and_then(|kept| kept.timeline);
    let now = pgl_catalog::timeline(subscriber)?;
    Ok(then.zip(now).map(|(then, now)| Timelines { then, now }))
}

/// Replication origins under which sessions may have written to the provider since its rows were copied, or since it was
/// promoted; all that are there, where the role may not read whether they have. Empty before 9.5, which has none.
///
/// # Errors
/// The servers'.
pub fn origin_writers(
    direction: Direction,
    provider: &mut Session,
    subscriber: &mut Session,
    migration: &str,
    plan: &Plan,
) -> Result<Vec<String>, Error> {
    let since = match direction {
        Direction::Forward => copy::copied_at(subscriber, migration)?,
        Direction::Back => read(provider, migration, &PROMOTED_MARKS)?.and_then(|kept| kept.lsn),
    };
    let Some(since) = since.filter(|_| provider.version().at_least_num(90_500)) else {
        return Ok(Vec::new());
    };
    let sql = pgl_catalog::sql!(
        provider.version(), 100_000 => "cutover/origin_writers_pg95", _ => "cutover/origin_writers"
    );
    let ours = [
        plan.names.subscription.clone(),
        back_names(&plan.names).subscription,
    ];
    let found = provider.values(
        sql,
        &[&since.to_string(), &ours.as_slice()],
        "replication origins that sessions write under",
    );
    match found {
        // Any that is there may have been used.
        Err(error) if error.kind == Kind::Denied => provider.values(
            include_str!("../../sql/cutover/origins_unread.sql"),
            &[&ours.as_slice()],
            "replication origins",
        ),
        other => other,
    }
}
