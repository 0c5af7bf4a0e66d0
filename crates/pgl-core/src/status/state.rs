//! The subscription's state in pglogical's words, and what is asked of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{SubscriptionNow, TargetNow};
use crate::ServerVersion;

/// pglogical's words for a subscription's state, found the way `show_subscription_status` does,
/// and four of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// A worker runs and the initial synchronisation is not finished.
    Initializing,
    /// A worker runs and the initial synchronisation is over. Says nothing about progress.
    Replicating,
    /// Enabled, and no worker runs.
    Down,
    /// Disabled.
    Disabled,
    /// The target was promoted: it is the production database.
    CutOver,
    /// pgl-setup works on this migration, and the subscription does not run yet.
    SettingUp,
    /// No such subscription.
    Missing,
    /// The target could not be asked.
    Unknown,
}

impl Word {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Replicating => "replicating",
            Self::Down => "down",
            Self::Disabled => "disabled",
            Self::CutOver => "cut_over",
            Self::SettingUp => "setting_up",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }

    /// All of them, for metrics.
    pub const ALL: [Self; 8] = [
        Self::Initializing,
        Self::Replicating,
        Self::Down,
        Self::Disabled,
        Self::CutOver,
        Self::SettingUp,
        Self::Missing,
        Self::Unknown,
    ];
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state that the target shows.
pub fn word(target: Option<&TargetNow>) -> Word {
    let Some(target) = target else {
        return Word::Unknown;
    };
    let setup = target
        .holder
        .as_ref()
        .is_some_and(|one| one.tool == "pgl-setup");
    let Some(subscription) = &target.subscription else {
        return if setup {
            Word::SettingUp
        } else {
            Word::Missing
        };
    };
    // pglogical's own list of workers decides; processes are looked for where it may not be asked.
    let runs = match subscription.shown.as_deref() {
        Some("down" | "disabled") => false,
        Some(_) => true,
        None => target.workers.iter().any(|worker| worker.kind == "apply"),
    };
    match (runs, subscription.sync_status) {
        (true, Some('r')) => Word::Replicating,
        (true, Some(_)) => Word::Initializing,
        (true, None) => Word::Unknown,
        (false, _) if setup => Word::SettingUp,
        (false, _) if !subscription.enabled => Word::Disabled,
        (false, _) => Word::Down,
    }
}

/// A table's sync state in pglogical's words.
pub fn sync_word(letter: char) -> &'static str {
    match letter {
        'i' => "sync_init",
        's' => "sync_structure",
        'd' => "sync_data",
        'c' => "sync_constraints",
        'w' => "sync_waiting",
        'u' => "catchup",
        'y' => "synchronized",
        'r' => "replicating",
        _ => "unknown",
    }
}

/// A table's sync state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableState {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `sync_init`, `sync_structure`, `sync_data`, `sync_constraints`, `sync_waiting`, `catchup`,
    /// `synchronized`, `replicating`.
    pub state: String,
}

/// How many tables have got how far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tables {
    /// Tables that pglogical has a sync state for.
    pub total: u32,
    /// Of these, replicating.
    pub replicating: u32,
    /// Those that are not yet there.
    pub waiting: Vec<TableState>,
    /// Whether anybody has compared row counts: pgl-status never does, so this is always false.
    /// pglogical reports `replicating` also where its copy was rolled back.
    pub counts_proven: bool,
}

/// Sums up the sync states.
pub fn tables(target: Option<&TargetNow>) -> Tables {
    let all = target.map_or(&[][..], |target| &target.tables);
    let waiting: Vec<TableState> = all
        .iter()
        .filter(|table| table.status != 'r')
        .map(|table| TableState {
            schema: table.table.schema.clone(),
            name: table.table.name.clone(),
            state: sync_word(table.status).to_owned(),
        })
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Tables {
        total: count(all.len()),
        replicating: count(all.len() - waiting.len()),
        waiting,
        counts_proven: false,
    }
}

/// The output settings that a cross-version stream needs pinned and that the DSN does not pin. From
/// 12 on every positive `extra_float_digits` is exact, before that only 3 is.
pub fn unpinned(subscription: &SubscriptionNow, source: ServerVersion) -> Vec<&'static str> {
    let is = |value: &Option<String>, wanted: fn(&str) -> bool| {
        value
            .as_deref()
            .is_some_and(|value| wanted(&value.to_ascii_lowercase()))
    };
    let dsn = &subscription.dsn;
    [
        (
            "extra_float_digits=3",
            is(&dsn.extra_float_digits, |v| v.trim() == "3")
                || (source.at_least(12)
                    && is(&dsn.extra_float_digits, |v| matches!(v.trim(), "1" | "2"))),
        ),
        (
            "datestyle=ISO",
            is(&dsn.datestyle, |v| v.trim_start().starts_with("iso")),
        ),
        (
            "intervalstyle=postgres",
            is(&dsn.intervalstyle, |v| v.trim() == "postgres"),
        ),
    ]
    .into_iter()
    .filter(|(_, pinned)| !pinned)
    .map(|(setting, _)| setting)
    .collect()
}
