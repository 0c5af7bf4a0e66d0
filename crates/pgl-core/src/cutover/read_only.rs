//! Who would find a database read-only after it was promoted, by a setting that is not the tools' own.
//!
//! What the tools set is stored with what was there before (`Closed`), and goes with the promotion. Looked at is therefore what
//! the promotion brings back, and what it does not touch.

use super::write_block::{Closed, ReadOnlyOverride, SETTING};
use crate::facts::server::is_true;
use crate::name::show_ident;
use crate::{Side, quote_ident};

/// The settings of `default_transaction_read_only` on one side, as they are while the database is not read-only by the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnlySettings {
    /// The side.
    pub side: Side,
    /// The database.
    pub database: String,
    /// Those of roles and databases.
    pub overrides: Vec<ReadOnlyOverride>,
    /// Whether the server's configuration has it on.
    pub server: bool,
    /// Roles that may log in, of those that have a setting on either side.
    pub logins: Vec<String>,
}

/// A setting that would keep a role, or all of them, from writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaysReadOnly {
    /// Where.
    pub side: Side,
    /// For whom it is on.
    pub scope: String,
    /// The statement that helps.
    pub sql: String,
}

impl Closed {
    /// The settings once the tools' own are rolled back. A setting that a role has for all databases is never changed by
    /// the tools: of those only what is there `now` counts.
    pub fn after_opening(&self, now: Vec<ReadOnlyOverride>) -> Vec<ReadOnlyOverride> {
        let own = self.overrides.iter().filter(|one| one.here).cloned();
        own.chain(now.into_iter().filter(|one| !one.here)).collect()
    }
}

/// Where a value comes from, in the order in which PostgreSQL looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Role { here: bool },
    Database,
    AllRoles,
    Server,
}

impl ReadOnlySettings {
    fn value(&self, role: Option<&str>, here: bool) -> Option<bool> {
        let mut all = self.overrides.iter();
        let found = all.find(|one| one.here == here && one.role.as_deref() == role)?;
        Some(is_true(&found.value))
    }

    /// What a session without a setting of its role gets.
    fn default(&self) -> (Origin, bool) {
        let database = self.value(None, true).map(|on| (Origin::Database, on));
        let all = || self.value(None, false).map(|on| (Origin::AllRoles, on));
        database
            .or_else(all)
            .unwrap_or((Origin::Server, self.server))
    }

    fn of_role(&self, role: &str) -> (Origin, bool) {
        let own = |here| {
            let on = self.value(Some(role), here)?;
            Some((Origin::Role { here }, on))
        };
        own(true)
            .or_else(|| own(false))
            .unwrap_or_else(|| self.default())
    }
}

/// The settings that would keep clients of `new` from writing after its promotion, where the same clients can write on `old`. What is
/// read-only on both sides is meant to be; a role that cannot log in has no sessions.
pub fn stays_read_only(old: &ReadOnlySettings, new: &ReadOnlySettings) -> Vec<StaysReadOnly> {
    let mut all = Vec::new();
    let mut add = |scope: String, sql: String| {
        let side = new.side;
        all.push(StaysReadOnly { side, scope, sql });
    };
    let database = quote_ident(&new.database);
    let (origin, on) = new.default();
    let for_all = on && !old.default().1;
    if for_all {
        let (scope, sql) = match origin {
            Origin::Database => (
                format!("database {}", show_ident(&new.database)),
                format!("ALTER DATABASE {database} RESET {SETTING}"),
            ),
            Origin::AllRoles => (
                "all roles".to_owned(),
                format!("ALTER ROLE ALL RESET {SETTING}"),
            ),
            Origin::Server | Origin::Role { .. } => (
                "the server".to_owned(),
                format!("ALTER SYSTEM SET {SETTING} = off; SELECT pg_reload_conf()"),
            ),
        };
        add(scope, sql);
    }
    let settings = old.overrides.iter().chain(&new.overrides);
    let mut roles: Vec<&str> = settings.filter_map(|one| one.role.as_deref()).collect();
    roles.sort_unstable();
    roles.dedup();
    for role in roles {
        let (origin, on) = new.of_role(role);
        if !on || old.of_role(role).1 || !new.logins.iter().any(|login| login == role) {
            continue;
        }
        let (shown, name) = (show_ident(role), quote_ident(role));
        let (scope, sql) = match origin {
            Origin::Role { here: true } => (
                format!("role {shown} in database {}", show_ident(&new.database)),
                format!("ALTER ROLE {name} IN DATABASE {database} RESET {SETTING}"),
            ),
            Origin::Role { here: false } => (
                format!("role {shown}"),
                format!("ALTER ROLE {name} RESET {SETTING}"),
            ),
            // One statement for all of them was said.
            Origin::Database | Origin::AllRoles | Origin::Server if for_all => continue,
            Origin::Database | Origin::AllRoles | Origin::Server => (
                format!("role {shown}, which has it off on the other side"),
                format!("ALTER ROLE {name} SET {SETTING} = off"),
            ),
        };
        add(scope, sql);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(overrides: &[(Option<&str>, bool, &str)]) -> ReadOnlySettings {
        ReadOnlySettings {
            side: Side::Target,
            database: "Shop".to_owned(),
            overrides: overrides.iter().map(|&one| entry(one)).collect(),
            server: false,
            logins: vec!["app".to_owned(), "reports".to_owned()],
        }
    }

    fn entry((role, here, value): (Option<&str>, bool, &str)) -> ReadOnlyOverride {
        ReadOnlyOverride {
            role: role.map(str::to_owned),
            oid: None,
            here,
            value: value.to_owned(),
        }
    }

    fn sql(old: &ReadOnlySettings, new: &ReadOnlySettings) -> Vec<String> {
        // Only what holds on the promoted side can be changed there.
        let old = ReadOnlySettings {
            side: Side::Source,
            database: "former".to_owned(),
            logins: Vec::new(),
            ..old.clone()
        };
        let found = stays_read_only(&old, new);
        assert!(found.iter().all(|one| one.side == Side::Target));
        assert!(found.iter().all(|one| !one.scope.contains("former")));
        found.into_iter().map(|one| one.sql).collect()
    }

    #[test]
    fn each_origin_has_the_statement_that_helps() {
        let writes = side(&[]);
        for (setting, statement) in [
            (
                (None, true, "on"),
                r#"ALTER DATABASE "Shop" RESET default_transaction_read_only"#,
            ),
            (
                (None, false, "true"),
                "ALTER ROLE ALL RESET default_transaction_read_only",
            ),
            (
                (Some("app"), true, "1"),
                r#"ALTER ROLE "app" IN DATABASE "Shop" RESET default_transaction_read_only"#,
            ),
            (
                (Some("app"), false, "on"),
                r#"ALTER ROLE "app" RESET default_transaction_read_only"#,
            ),
        ] {
            assert_eq!(sql(&writes, &side(&[setting])), [statement]);
            let same = side(&[setting]);
            assert!(sql(&same, &same).is_empty(), "{setting:?} on both sides");
            assert!(sql(&same, &writes).is_empty(), "{setting:?} on the old one");
        }
        let mut server = side(&[]);
        server.server = true;
        assert_eq!(
            sql(&writes, &server),
            ["ALTER SYSTEM SET default_transaction_read_only = off; SELECT pg_reload_conf()"]
        );
        assert!(sql(&server, &server).is_empty());
    }

    #[test]
    fn what_a_session_gets_decides() {
        let writes = side(&[]);
        let off_here = side(&[(Some("app"), false, "on"), (Some("app"), true, "off")]);
        assert!(sql(&writes, &off_here).is_empty());
        let off_in_database = side(&[(None, true, "off"), (None, false, "on")]);
        assert!(sql(&writes, &off_in_database).is_empty());
        assert!(
            sql(&writes, &side(&[(Some("no_login"), false, "on")])).is_empty(),
            "a role without LOGIN has no sessions"
        );
        // Read-only in the one way there, in the other here.
        let for_all = side(&[(None, true, "on")]);
        assert!(sql(&for_all, &side(&[(Some("app"), false, "on")])).is_empty());
        // An archive in which one role writes.
        let one_writes = side(&[(None, true, "on"), (Some("app"), false, "off")]);
        assert_eq!(
            sql(&one_writes, &for_all),
            [r#"ALTER ROLE "app" SET default_transaction_read_only = off"#]
        );
        // Each role once, in a fixed order.
        let here_and_there = side(&[
            (Some("reports"), false, "on"),
            (Some("app"), true, "on"),
            (Some("app"), false, "on"),
        ]);
        assert_eq!(
            sql(&side(&[(Some("reports"), true, "off")]), &here_and_there),
            [
                r#"ALTER ROLE "app" IN DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "reports" RESET default_transaction_read_only"#,
            ]
        );
        // One statement for all of them, also where the other side has settings of single roles.
        let each_off = side(&[(Some("app"), false, "off"), (Some("reports"), true, "off")]);
        for old in [&writes, &each_off] {
            assert_eq!(
                sql(old, &for_all),
                [r#"ALTER DATABASE "Shop" RESET default_transaction_read_only"#]
            );
        }
    }

    #[test]
    fn what_the_tools_have_set_is_not_found() {
        let mut stored = Closed {
            database: "Shop".to_owned(),
            overrides: vec![entry((Some("app"), false, "off"))],
        };
        let now = vec![
            entry((None, true, "on")),
            entry((Some("app"), true, "on")),
            entry((Some("app"), false, "off")),
        ];
        stored = stored.with_new(now.clone());
        let mut new = side(&[]);
        new.overrides = stored.after_opening(now);
        assert!(sql(&side(&[]), &new).is_empty());
        // What the database had before them comes back with the promotion.
        let had = Closed {
            overrides: vec![entry((None, true, "on"))],
            ..stored.clone()
        };
        new.overrides = had.after_opening(Vec::new());
        assert_eq!(
            sql(&side(&[]), &new),
            [r#"ALTER DATABASE "Shop" RESET default_transaction_read_only"#]
        );
        // What a role has for all databases, the tools never touch.
        let role = vec![entry((Some("app"), false, "on"))];
        new.overrides = stored.after_opening(role);
        assert_eq!(
            sql(&side(&[]), &new),
            [r#"ALTER ROLE "app" RESET default_transaction_read_only"#]
        );
        // Nor a role's setting that was taken away since it was stored.
        stored.overrides = vec![entry((Some("app"), false, "on"))];
        assert!(stored.after_opening(Vec::new()).is_empty());
    }
}
