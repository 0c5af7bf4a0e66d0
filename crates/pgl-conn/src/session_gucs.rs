//! The environment that every session runs in, so that the same value is the same text on both
//! sides: sent with the start-up packet, read back, and completed by version.

use std::collections::BTreeMap;
use std::time::Duration;

use pgl_core::{ServerVersion, quote_literal};

use crate::session_options::{Access, Pins, SessionOptions};

/// One setting of the canonical environment.
struct Pin {
    name: &'static str,
    value: &'static str,
    /// The first server that knows it; an unknown setting in the start-up packet would end the
    /// login, so only those of 9.4 are sent there.
    since: u32,
}

const fn pin(name: &'static str, value: &'static str, since: u32) -> Pin {
    Pin { name, value, since }
}

/// Without spaces where the value goes into the start-up packet: 9.4 splits the options at every space, and a
/// backslash before it is part of the value there.
const PINS: &[Pin] = &[
    pin("TimeZone", "UTC", 0),
    pin("DateStyle", "ISO,YMD", 0),
    pin("IntervalStyle", "postgres", 0),
    pin("extra_float_digits", "3", 0),
    pin("bytea_output", "hex", 0),
    pin("lc_monetary", "C", 0),
    pin("search_path", "pg_catalog,pg_temp", 0),
    pin("standard_conforming_strings", "on", 0),
    pin("xmloption", "content", 0),
    // A shared scan would start in the middle: the same read twice would differ in order.
    pin("synchronize_seqscans", "off", 0),
    pin("array_nulls", "on", 0),
    pin("transform_null_equals", "off", 0),
    pin("quote_all_identifiers", "off", 0),
    // The planner would run what the checks of a user's table call with constants.
    pin("constraint_exclusion", "off", 0),
    // The first error, even an expected one, would end the session.
    pin("exit_on_error", "off", 0),
    // Under serializable and deferrable, a statement that reads waits for other transactions.
    pin("default_transaction_deferrable", "off", 0),
    // A condition that a GIN index answers would yield some of its rows.
    pin("gin_fuzzy_search_limit", "0", 0),
    pin("client_min_messages", "notice", 0),
    // After the login, because of the space.
    pin("default_transaction_isolation", "read committed", 1),
    pin("row_security", "off", 90_500),
    pin("idle_in_transaction_session_timeout", "0", 90_600),
    // The tables of schema pgl are updated.
    pin("default_table_access_method", "heap", 120_000),
    pin("idle_session_timeout", "0", 140_000),
    pin("transaction_timeout", "0", 170_000),
];

/// The setting that [`Access`] is about.
const READ_ONLY: &str = "default_transaction_read_only";

/// Off, a crash of the server may take a transaction that was committed.
const COMMIT: &str = "synchronous_commit";

/// Keeps the session from reading views and foreign tables of users. A table that its owner makes a view while we look
/// at it would run what the view calls, with our rights. Servers have it since August 2024 (12.20, 13.16, 14.13, 15.8,
/// 16.4), pg_dump needs it there for the same reason.
pub(crate) const TABLES_ONLY: (&str, &str) =
    ("restrict_nonsystem_relation_kind", "view, foreign-table");

/// What decides how our statements are planned, where a role or the database has it otherwise. With `enable_seqscan = off` a
/// server up to 17 adds so much to the cost of a plan that it compiles all of it (`jit`): a minute for a statement of
/// 0.2 s. Statements on catalogs are never worth that.
pub const PLANNER: [(&str, &str); 13] = [
    ("enable_bitmapscan", "on"),
    ("enable_hashagg", "on"),
    ("enable_hashjoin", "on"),
    ("enable_indexonlyscan", "on"),
    ("enable_indexscan", "on"),
    ("enable_material", "on"),
    ("enable_mergejoin", "on"),
    ("enable_nestloop", "on"),
    ("enable_seqscan", "on"),
    ("enable_sort", "on"),
    ("enable_tidscan", "on"),
    ("from_collapse_limit", "8"),
    ("join_collapse_limit", "8"),
];

/// On, damaged pages are read as empty ones, and rows are missing without an error. A superuser's settings: where a role
/// may not set them, the login fails.
const DAMAGE: [(&str, &str); 2] = [
    ("zero_damaged_pages", "off"),
    ("ignore_checksum_failure", "off"),
];

/// Known from 11 on.
const JIT: (&str, &str) = ("jit", "off");

/// The settings that a session of ours does not take from the server, the database or the role.
pub fn pinned() -> impl Iterator<Item = &'static str> {
    let known = PLANNER.iter().chain(&DAMAGE).chain([&JIT, &TABLES_ONLY]);
    let others = [READ_ONLY, COMMIT, "statement_timeout", "lock_timeout"];
    (PINS.iter().map(|pin| pin.name))
        .chain(known.map(|(name, _)| *name))
        .chain(others)
        // What the driver sends.
        .chain(["client_encoding", "application_name"])
}

/// The value of a setting and its `pg_settings.source`.
pub(crate) type Settings = BTreeMap<String, (String, String)>;

impl SessionOptions {
    /// What goes into the start-up packet.
    pub(crate) fn startup(&self) -> Vec<(String, String)> {
        if self.pins == Pins::Untouched {
            return Vec::new();
        }
        let pins = PINS.iter().filter(|pin| pin.since == 0);
        let mut all: Vec<(String, String)> = pins
            .map(|pin| (pin.name.to_owned(), pin.value.to_owned()))
            .collect();
        all.push((
            "statement_timeout".to_owned(),
            millis(self.statement_timeout),
        ));
        all.push(("lock_timeout".to_owned(), millis(self.lock_timeout)));
        all
    }

    /// What a server of this version must show in the end.
    fn all(&self, version: ServerVersion) -> Vec<(String, String)> {
        let mut all = self.startup();
        let pins = PINS.iter().filter(|pin| {
            self.pins == Pins::Canonical && pin.since > 0 && version.at_least_num(pin.since)
        });
        all.extend(pins.map(|pin| (pin.name.to_owned(), pin.value.to_owned())));
        // Set after the login: target_session_attrs looks at what the server has by default.
        if let Some(value) = self.read_only() {
            all.push((READ_ONLY.to_owned(), value.to_owned()));
        }
        all.extend(self.settings.iter().cloned());
        all
    }

    /// What a new transaction has to be, where that is not left to the server.
    fn read_only(&self) -> Option<&'static str> {
        match self.access {
            Access::ReadOnly => Some("on"),
            Access::ReadWrite => None,
            Access::IgnoreReadOnly => Some("off"),
        }
    }

    /// The settings that differ from what they must be.
    pub(crate) fn missing(
        &self,
        version: ServerVersion,
        found: &Settings,
    ) -> Vec<(String, String)> {
        let differs = |(name, value): &(String, String)| {
            let Some((setting, source)) = found.get(name) else {
                return true;
            };
            // A value that only happens to be right goes when the server's configuration is read again.
            canonical(setting) != canonical(value) || name == READ_ONLY && source != "session"
        };
        let mut all: Vec<_> = self.all(version).into_iter().filter(differs).collect();
        all.extend(self.durable(found));
        if self.pins == Pins::Canonical {
            let tables = (!self.views).then_some(&TABLES_ONLY);
            // Those that the server knows.
            let known = |(name, value): &&(&str, &str)| {
                let found = found.get(*name);
                found.is_some_and(|(setting, _)| canonical(setting) != canonical(value))
            };
            let wanted = PLANNER.iter().chain(&DAMAGE).chain([&JIT]).chain(tables);
            let wanted = wanted.filter(known);
            all.extend(wanted.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        }
        all
    }

    /// What a session that writes relies on later has to survive a crash of the server. Whether a standby is waited for
    /// is left to the server's configuration.
    fn durable(&self, found: &Settings) -> Option<(String, String)> {
        let chosen = self.settings.iter().any(|(name, _)| name == COMMIT);
        let lost = found.get(COMMIT).is_some_and(|(value, _)| value == "off");
        let writes = self.access != Access::ReadOnly && self.pins == Pins::Canonical;
        (writes && lost && !chosen).then(|| (COMMIT.to_owned(), "local".to_owned()))
    }

    /// Whether the start-up packet's options never reached the server: a setting has another
    /// value, and not because somebody has set it since.
    pub(crate) fn dropped(&self, found: &Settings) -> bool {
        self.startup().iter().any(|(name, value)| {
            found.get(name).is_some_and(|(setting, source)| {
                canonical(setting) != canonical(value)
                    && !matches!(source.as_str(), "client" | "session")
            })
        })
    }

    /// Everything as `SET LOCAL`, for a transaction behind a pooler.
    pub(crate) fn set_local(&self, version: ServerVersion) -> String {
        set_sql(&self.all(version), "LOCAL ")
    }
}

fn millis(timeout: Option<Duration>) -> String {
    // Less than a millisecond would mean "no limit".
    timeout
        .map_or(0, |timeout| timeout.as_millis().max(1))
        .to_string()
}

fn canonical(value: &str) -> String {
    value
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '"')
        .flat_map(char::to_lowercase)
        .collect()
}

/// The `SET` statements for some settings.
pub(crate) fn set_sql(settings: &[(String, String)], scope: &str) -> String {
    let mut sql = String::new();
    for (name, value) in settings {
        // Lists are lists: quoted as a whole, a search_path would be one odd name.
        let value = match name.as_str() {
            "search_path" => value.clone(),
            _ => quote_literal(value),
        };
        sql.push_str(&format!("SET {scope}{name} = {value};\n"));
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> SessionOptions {
        SessionOptions {
            lock_timeout: Some(Duration::from_micros(10)),
            ..SessionOptions::new("preflight", Access::ReadOnly)
        }
    }

    fn names(settings: &[(String, String)]) -> Vec<&str> {
        settings.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn served(source: &str) -> Settings {
        let isolation = ("default_transaction_isolation", "read committed");
        wanted()
            .startup()
            .into_iter()
            .chain([(isolation.0.to_owned(), isolation.1.to_owned())])
            .map(|(name, value)| (name, (value, source.to_owned())))
            .collect()
    }

    #[test]
    fn later_settings_wait_for_the_version() {
        let wanted = wanted();
        assert!(!names(&wanted.startup()).contains(&"row_security"));
        let old = wanted.missing(ServerVersion(90_426), &served("client"));
        assert_eq!(names(&old), ["default_transaction_read_only"]);
        let new = wanted.missing(ServerVersion(170_002), &served("client"));
        assert_eq!(
            names(&new),
            [
                "row_security",
                "idle_in_transaction_session_timeout",
                "default_table_access_method",
                "idle_session_timeout",
                "transaction_timeout",
                "default_transaction_read_only",
            ]
        );
    }

    /// Seen on 9.4.13: `-c DateStyle=ISO,\ YMD` is refused, `Unrecognized key word: "\"`.
    #[test]
    fn the_oldest_server_can_split_what_is_sent() {
        for (name, value) in wanted().startup() {
            let plain = |c: char| c != '\\' && !c.is_whitespace();
            assert!(value.chars().all(plain), "{name}={value}");
        }
    }

    #[test]
    fn the_planner_is_what_it_is_by_default() {
        let mut found = served("client");
        for (name, value) in PLANNER.iter().chain([&JIT]) {
            found.insert(
                (*name).to_owned(),
                ((*value).to_owned(), "default".to_owned()),
            );
        }
        let planner = |found: &Settings| {
            let mut all = wanted().missing(ServerVersion(90_426), found);
            all.retain(|(name, _)| name != READ_ONLY);
            all
        };
        assert!(planner(&found).is_empty());
        for (name, value) in [("enable_nestloop", "off"), ("jit", "on")] {
            found.insert(name.to_owned(), (value.to_owned(), "database".to_owned()));
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            planner(&found),
            [pair("enable_nestloop", "on"), pair("jit", "off")]
        );
    }

    #[test]
    fn an_untouched_session_is_read_only_and_nothing_else() {
        let untouched = SessionOptions {
            pins: Pins::Untouched,
            ..wanted()
        };
        assert!(untouched.startup().is_empty());
        let missing = untouched.missing(ServerVersion(180_000), &served("default"));
        assert_eq!(names(&missing), ["default_transaction_read_only"]);
        assert!(!untouched.dropped(&Settings::new()));
    }

    #[test]
    fn a_session_that_writes_does_not_lose_what_it_committed() {
        let missing = |access, value: &str, settings: Vec<(String, String)>| {
            let wanted = SessionOptions {
                access,
                settings,
                ..wanted()
            };
            let mut found = served("client");
            found.insert(COMMIT.to_owned(), (value.to_owned(), "database".to_owned()));
            let missing = wanted.missing(ServerVersion(90_426), &found);
            missing.into_iter().find(|(name, _)| name == COMMIT)
        };
        let local = Some((COMMIT.to_owned(), "local".to_owned()));
        assert_eq!(missing(Access::IgnoreReadOnly, "off", Vec::new()), local);
        assert_eq!(missing(Access::ReadWrite, "off", Vec::new()), local);
        assert_eq!(missing(Access::ReadOnly, "off", Vec::new()), None);
        for durable in ["local", "on", "remote_apply"] {
            assert_eq!(missing(Access::ReadWrite, durable, Vec::new()), None);
        }
        // Rows of a copy: a note that is written durably comes behind them.
        let off = vec![(COMMIT.to_owned(), "off".to_owned())];
        assert_eq!(missing(Access::ReadWrite, "off", off), None);
    }

    #[test]
    fn what_only_happens_to_be_right_is_set_all_the_same() {
        let found = |value: &str, source: &str| {
            let mut found = served("client");
            found.insert(READ_ONLY.to_owned(), (value.to_owned(), source.to_owned()));
            found
        };
        let old = ServerVersion(90_426);
        for (access, right, wrong) in [
            (Access::ReadOnly, "on", "off"),
            (Access::IgnoreReadOnly, "off", "on"),
        ] {
            let wanted = SessionOptions { access, ..wanted() };
            for other in [
                found(wrong, "session"),
                found(right, "database"),
                found(right, "default"),
            ] {
                assert_eq!(
                    wanted.missing(old, &other),
                    [(READ_ONLY.to_owned(), right.to_owned())]
                );
            }
            assert!(wanted.missing(old, &found(right, "session")).is_empty());
        }
        let left = SessionOptions {
            access: Access::ReadWrite,
            ..wanted()
        };
        assert!(left.missing(old, &found("on", "database")).is_empty());
    }

    #[test]
    fn options_that_did_not_arrive_are_noticed() {
        let mut found = served("client");
        assert!(!wanted().dropped(&found));
        found.insert(
            "extra_float_digits".to_owned(),
            ("1".to_owned(), "default".to_owned()),
        );
        assert!(wanted().dropped(&found));
        // A login trigger may have changed it: that is no pooler.
        found.insert(
            "extra_float_digits".to_owned(),
            ("1".to_owned(), "session".to_owned()),
        );
        assert!(!wanted().dropped(&found));
    }

    #[test]
    fn statements() {
        let sql = set_sql(
            &[
                ("search_path".to_owned(), "pg_catalog, pg_temp".to_owned()),
                ("a".to_owned(), "b'c".to_owned()),
            ],
            "LOCAL ",
        );
        assert_eq!(
            sql,
            "SET LOCAL search_path = pg_catalog, pg_temp;\nSET LOCAL a = 'b''c';\n"
        );
        assert_eq!(millis(Some(Duration::from_micros(10))), "1");
    }
}
