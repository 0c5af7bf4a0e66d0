//! pglogical's subscriptions, as the target has them.

use pgl_conn::{Error, Session};
use pgl_core::plan::Set;
use serde::Deserialize;

use crate::rows;

/// A subscription as the target has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The slot it reads.
    pub slot: String,
    /// Replication sets that it follows.
    pub sets: Vec<String>,
    /// `r` when its initial synchronisation is over; null when there is no row for it.
    pub sync: Option<String>,
    /// Tables that are not synchronised.
    pub tables_behind: u64,
}

impl Subscription {
    /// Whether it is past its copy: synchronised, and following sets with tables.
    pub fn is_past_copy(&self) -> bool {
        let default = Set::Default.name();
        self.sync.as_deref() == Some("r")
            && self.sets.iter().any(|set| Some(set.as_str()) == default)
    }
}

/// All subscriptions of this database; none where pglogical is not there.
///
/// # Errors
/// The server's.
pub fn all(target: &mut Session) -> Result<Vec<Subscription>, Error> {
    // Asked first: an error would end the transaction.
    let installed: bool = target.value(
        "SELECT pg_catalog.to_regclass('pglogical.subscription') IS NOT NULL",
        &[],
        "whether pglogical is installed",
    )?;
    match installed {
        true => rows(target, sql!("subscriptions"), &[]),
        false => Ok(Vec::new()),
    }
}

/// The subscription of this name, if it exists.
///
/// # Errors
/// The server's.
pub fn find(target: &mut Session, name: &str) -> Result<Option<Subscription>, Error> {
    Ok(all(target)?.into_iter().find(|one| one.name == name))
}
