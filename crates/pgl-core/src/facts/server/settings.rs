//! Settings of the server, and what databases and roles override.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ServerState;
use crate::facts::NotRun;
use crate::{quote_ident, setting_literal};

/// The settings that rules look at; nothing else is read, for settings can hold secrets.
pub const WATCHED: &[&str] = &[
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "alloydb.enable_pglogical",
    "alloydb.logical_decoding",
    "array_nulls",
    "azure.extensions",
    "bytea_output",
    "cloudsql.enable_pglogical",
    "cloudsql.logical_decoding",
    "default_text_search_config",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_cache_size",
    "extra_float_digits",
    "fsync",
    "idle_in_transaction_session_timeout",
    "idle_replication_slot_timeout",
    "idle_session_timeout",
    "lc_monetary",
    "lock_timeout",
    "log_min_duration_statement",
    "log_statement",
    "logical_decoding_work_mem",
    "maintenance_work_mem",
    "max_active_replication_origins",
    "max_connections",
    "max_locks_per_transaction",
    "max_parallel_workers",
    "max_prepared_transactions",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_wal_senders",
    "max_worker_processes",
    "old_snapshot_threshold",
    "output_plugin_libraries",
    "password_encryption",
    "pglogical.batch_inserts",
    "pglogical.conflict_log_level",
    "pglogical.conflict_resolution",
    "pglogical.use_spi",
    "rds.logical_replication",
    "search_path",
    "session_replication_role",
    "shared_buffers",
    "shared_preload_libraries",
    "standard_conforming_strings",
    "statement_timeout",
    "superuser_reserved_connections",
    "synchronous_standby_names",
    "tcp_keepalives_idle",
    "track_commit_timestamp",
    "transaction_timeout",
    "wal_level",
    "wal_sender_timeout",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

/// One row of `pg_settings`, of a list of names that hold no secrets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// The value that a new session gets (`reset_val`: our own session pins some of them), in
    /// units of `unit`; null where the role may not see it.
    pub value: Option<String>,
    /// `kB`, `8kB`, `MB`, `ms`, `s`, `min`, or null.
    pub unit: Option<String>,
    /// `postmaster`: a change needs a restart; `sighup`, `superuser`, `user`: it does not.
    pub context: String,
    /// Whether the configuration file holds another value that waits for a restart; null before
    /// 9.5.
    pub pending_restart: Option<bool>,
}

impl Setting {
    /// The value as a number of `unit`s.
    pub fn number(&self) -> Option<f64> {
        self.value.as_deref()?.trim().parse().ok()
    }

    /// The value in milliseconds; negative and zero keep their special meaning.
    pub fn milliseconds(&self) -> Option<f64> {
        let factor = match self.unit.as_deref() {
            Some("s") => 1_000.0,
            Some("min") => 60_000.0,
            Some("h") => 3_600_000.0,
            Some("d") => 86_400_000.0,
            _ => 1.0,
        };
        Some(self.number()? * factor)
    }

    /// The value in bytes; -1 keeps its special meaning.
    pub fn bytes(&self) -> Option<f64> {
        let number = self.number()?;
        if number < 0.0 {
            return Some(number);
        }
        let factor = match self.unit.as_deref() {
            Some("kB") => 1_024.0,
            Some("8kB") => 8_192.0,
            Some("MB") => 1_048_576.0,
            Some("GB") => 1_073_741_824.0,
            _ => 1.0,
        };
        Some(number * factor)
    }

    /// Whether it is a boolean that is on.
    pub fn is_on(&self) -> bool {
        self.value.as_deref().is_some_and(is_true)
    }
}

/// PostgreSQL's spellings of true.
pub(crate) fn is_true(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "on" | "true" | "yes" | "1" | "t" | "y"
    )
}

/// One setting of `pg_db_role_setting`. Applications keep secrets in settings of their own: of the connected database
/// the value is null for parameters with a dot in their name, elsewhere for names outside the list that rules look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Override {
    /// Database that it is limited to; null for all.
    pub database: Option<String>,
    /// Role that it is limited to; null for all.
    pub role: Option<String>,
    /// Setting.
    pub name: String,
    /// Value.
    pub value: Option<String>,
}

impl Override {
    /// `role app in database shop`, for findings.
    pub fn scope(&self) -> String {
        match (&self.role, &self.database) {
            (Some(role), Some(database)) => format!("role {role} in database {database}"),
            (Some(role), None) => format!("role {role}"),
            (None, Some(database)) => format!("database {database}"),
            (None, None) => "all roles".to_owned(),
        }
    }

    /// `ROLE … IN DATABASE …`, as ALTER takes it.
    fn scope_sql(&self) -> String {
        match (&self.role, &self.database) {
            (Some(role), Some(database)) => {
                let (role, database) = (quote_ident(role), quote_ident(database));
                format!("ROLE {role} IN DATABASE {database}")
            }
            (Some(role), None) => format!("ROLE {}", quote_ident(role)),
            (None, Some(database)) => format!("DATABASE {}", quote_ident(database)),
            (None, None) => "ROLE ALL".to_owned(),
        }
    }

    /// `ALTER ROLE … RESET name`.
    pub fn reset_sql(&self) -> String {
        format!("ALTER {} RESET {};", self.scope_sql(), self.name)
    }

    /// `ALTER ROLE … SET name TO value`.
    pub fn set_sql(&self, value: &str) -> String {
        let (scope, name) = (self.scope_sql(), quote_ident(&self.name));
        let value = setting_literal(&self.name, value);
        format!("ALTER {scope} SET {name} TO {value};")
    }
}

impl ServerState {
    /// A setting by name; null where the server has none of that name.
    pub fn setting(&self, name: &str) -> Result<Option<&Setting>, NotRun> {
        let found = self.settings.get()?.iter().find(|s| s.name == name);
        Ok(found)
    }

    /// A setting whose value has to be known: null where the server has none of that name, an
    /// error where the role may not see it.
    pub fn known_setting(&self, name: &str) -> Result<Option<&Setting>, NotRun> {
        match self.setting(name)? {
            Some(setting) if setting.value.is_none() => {
                Err(NotRun(format!("no permission to examine {name}")))
            }
            other => Ok(other),
        }
    }

    /// The value of a setting that has to be known, likewise.
    pub fn value(&self, name: &str) -> Result<Option<&str>, NotRun> {
        let setting = self.known_setting(name)?;
        Ok(setting.and_then(|setting| setting.value.as_deref()))
    }

    /// Whether a setting that has to be known is on.
    pub fn is_on(&self, name: &str) -> Result<bool, NotRun> {
        Ok(self.value(name)?.is_some_and(is_true))
    }

    /// What the connected database has for all roles or one, without the database's name.
    pub fn database_settings(&self) -> Result<BTreeSet<Override>, NotRun> {
        let database = Some(&self.identity.get()?.database);
        let own = self.overrides.get()?.iter();
        let own = own.filter(|found| found.database.as_ref() == database);
        let nameless = |found: Override| Override {
            database: None,
            ..found
        };
        Ok(own.cloned().map(nameless).collect())
    }

    /// The overrides of one setting that can meet a session in the connected database.
    pub fn overrides_of<'a>(
        &'a self,
        name: &'a str,
    ) -> Result<impl Iterator<Item = &'a Override>, NotRun> {
        let database = &self.identity.get()?.database;
        Ok(self.overrides.get()?.iter().filter(move |found| {
            found.name.eq_ignore_ascii_case(name)
                && found.database.as_ref().is_none_or(|d| d == database)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(value: &str, unit: &str) -> Setting {
        Setting {
            value: Some(value.to_owned()),
            unit: Some(unit.to_owned()),
            ..Setting::default()
        }
    }

    #[test]
    fn units_are_converted() {
        assert_eq!(setting("60000", "ms").milliseconds(), Some(60_000.0));
        assert_eq!(setting("2", "min").milliseconds(), Some(120_000.0));
        assert_eq!(setting("65536", "kB").bytes(), Some(67_108_864.0));
        assert_eq!(setting("-1", "MB").bytes(), Some(-1.0));
        assert_eq!(setting("x", "MB").bytes(), None);
    }
}
