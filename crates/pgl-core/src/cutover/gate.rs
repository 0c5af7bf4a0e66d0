//! Closing a database to writers and opening it again: what was there before, and the statements.
//!
//! `default_transaction_read_only` on the database closes it for every session that begins later,
//! superusers included, and for the walsender and the apply worker it changes nothing (seen on 13, 15,
//! 17 and 18: pglogical writes rows and truncates below the executor, where the setting is not looked
//! at; only replicated DDL and sequence messages need a worker that started before). A role's own
//! setting beats the database's, so every role that has one gets one for this database, too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{QualifiedName, quote_ident, quote_literal};

const SETTING: &str = "default_transaction_read_only";
/// The trigger of a home that was left.
const TRIGGER: &str = "pgl_refuse_write";

/// A value of the setting in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// The role; null for the database itself.
    pub role: Option<String>,
    /// Whether it is for this database alone, and not the role's for all of them.
    pub here: bool,
    /// The value.
    pub value: String,
}

/// What a closed database was like: enough to open it again as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closed {
    /// The database.
    pub database: String,
    /// Every setting that was there.
    pub overrides: Vec<Override>,
}

impl Closed {
    /// Roles that need a setting for this database, each once.
    fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self
            .overrides
            .iter()
            .filter_map(|one| one.role.as_deref())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// What is stored, with the settings of `now` that came after the database was made read-only: those of roles that
    /// had none, and values that somebody has put in the place of ours.
    #[must_use]
    pub fn with_new(mut self, now: Vec<Override>) -> Self {
        let known: Vec<Option<String>> = self
            .roles()
            .into_iter()
            .map(|r| Some(r.to_owned()))
            .collect();
        for one in now {
            let ours = one.role.is_none() || known.contains(&one.role);
            if ours && (!one.here || one.value == "on") {
                continue;
            }
            self.overrides
                .retain(|old| (&old.role, old.here) != (&one.role, one.here));
            self.overrides.push(one);
        }
        self
    }

    /// The same without roles that do not exist any more.
    #[must_use]
    pub fn with_roles(mut self, there: &[String]) -> Self {
        self.overrides
            .retain(|one| one.role.as_ref().is_none_or(|role| there.contains(role)));
        self
    }

    /// Roles that need a setting for this database, each once.
    pub fn role_names(&self) -> Vec<String> {
        self.roles().into_iter().map(str::to_owned).collect()
    }

    fn before(&self, role: Option<&str>) -> Option<&str> {
        self.overrides
            .iter()
            .find(|one| one.here && one.role.as_deref() == role)
            .map(|one| one.value.as_str())
    }
}

fn target(closed: &Closed, role: Option<&str>) -> String {
    let database = quote_ident(&closed.database);
    match role {
        None => format!("ALTER DATABASE {database}"),
        Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", quote_ident(role)),
    }
}

/// The statements that close it.
pub fn close_sql(closed: &Closed) -> Vec<String> {
    let mut all = vec![format!("{} SET {SETTING} = on", target(closed, None))];
    for role in closed.roles() {
        all.push(format!("{} SET {SETTING} = on", target(closed, Some(role))));
    }
    all
}

/// Which sessions a write-block trigger fires for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteBlock {
    /// All but those with `session_replication_role = replica`, as pglogical's apply worker has it.
    ButReplicas,
    /// All: nothing is replicated to this database any more.
    Always,
}

impl WriteBlock {
    /// Who passes such triggers, where anybody does.
    pub fn gap(self) -> Option<&'static str> {
        match self {
            Self::ButReplicas => Some(
                "the write-block triggers do not fire for sessions with session_replication_role = replica, \
                 because reverse replication writes as such a session",
            ),
            Self::Always => None,
        }
    }

    /// `pg_trigger.tgenabled` of such a trigger.
    fn enabled(self) -> &'static str {
        match self {
            Self::ButReplicas => "O",
            Self::Always => "A",
        }
    }
}

/// A table that needs a write-block trigger, and the state of the one that it has: `pg_trigger.tgenabled`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BlockedTable {
    /// The table.
    pub table: QualifiedName,
    /// Null where there is none.
    pub enabled: Option<String>,
}

/// The statements that make the write-block triggers of these tables what `fires` says; `pgl.refuse_write()` is there.
pub fn wall_sql(tables: &[BlockedTable], fires: WriteBlock) -> Vec<String> {
    let mut all = Vec::new();
    for one in tables {
        let table = one.table.sql();
        if one.enabled.is_none() {
            all.push(format!(
                "CREATE TRIGGER {TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} \
                 FOR EACH STATEMENT EXECUTE PROCEDURE pgl.refuse_write()"
            ));
        }
        // A new trigger has state O.
        if one.enabled.as_deref().unwrap_or("O") != fires.enabled() {
            let always = match fires {
                WriteBlock::ButReplicas => "",
                WriteBlock::Always => "ALWAYS ",
            };
            all.push(format!(
                "ALTER TABLE ONLY {table} ENABLE {always}TRIGGER {TRIGGER}"
            ));
        }
    }
    all
}

/// The statements that take the triggers away, and their function.
pub fn unwall_sql(tables: &[QualifiedName]) -> Vec<String> {
    let mut all: Vec<String> = tables
        .iter()
        .map(|table| format!("DROP TRIGGER IF EXISTS {TRIGGER} ON {}", table.sql()))
        .collect();
    if !all.is_empty() {
        all.push("DROP FUNCTION IF EXISTS pgl.refuse_write()".to_owned());
    }
    all
}

/// A statement that makes a session accept writes although its database is read-only: what is printed for people begins
/// with it.
pub const READ_WRITE: &str = "SET default_transaction_read_only = off";

/// The statements that open it again, to what it was, for people.
pub fn reset_sql(closed: &Closed) -> Vec<String> {
    let roles = closed.roles().into_iter().map(Some);
    let each = std::iter::once(None)
        .chain(roles)
        .map(|role| restored(closed, role));
    std::iter::once(READ_WRITE.to_owned()).chain(each).collect()
}

/// The same for a program: a role that was dropped since then has no setting, and is reported with a warning of
/// SQLSTATE [`SKIPPED_ROLE`].
pub fn open_sql(closed: &Closed) -> Vec<String> {
    let mut all = vec![restored(closed, None)];
    for role in closed.roles() {
        let body = format!(
            "BEGIN {}; EXCEPTION WHEN undefined_object THEN RAISE WARNING USING ERRCODE = '{SKIPPED_ROLE}', MESSAGE = {}; END",
            restored(closed, Some(role)),
            quote_literal(&format!(
                "role {} does not exist any more: its setting {SETTING} is skipped",
                quote_ident(role)
            ))
        );
        all.push(format!("DO {}", quote_literal(&body)));
    }
    all
}

/// SQLSTATE of the warning about a role that was dropped while the database was read-only.
pub const SKIPPED_ROLE: &str = "PGL02";

fn restored(closed: &Closed, role: Option<&str>) -> String {
    let target = target(closed, role);
    match closed.before(role) {
        Some(value) => format!("{target} SET {SETTING} = {}", quote_literal(value)),
        None => format!("{target} RESET {SETTING}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Closed {
        let entry = |role: Option<&str>, here, value: &str| Override {
            role: role.map(str::to_owned),
            here,
            value: value.to_owned(),
        };
        Closed {
            database: "Shop".to_owned(),
            overrides: vec![
                entry(Some("app"), false, "off"),
                entry(Some("bat\"ch"), true, "off"),
                entry(Some("bat\"ch"), false, "on"),
            ],
        }
    }

    #[test]
    fn roles_with_a_setting_of_their_own_are_closed_too() {
        assert_eq!(
            close_sql(&closed()),
            [
                r#"ALTER DATABASE "Shop" SET default_transaction_read_only = on"#,
                r#"ALTER ROLE "app" IN DATABASE "Shop" SET default_transaction_read_only = on"#,
                r#"ALTER ROLE "bat""ch" IN DATABASE "Shop" SET default_transaction_read_only = on"#,
            ]
        );
    }

    #[test]
    fn what_was_there_comes_back() {
        assert_eq!(
            reset_sql(&closed()),
            [
                "SET default_transaction_read_only = off",
                r#"ALTER DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "app" IN DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "bat""ch" IN DATABASE "Shop" SET default_transaction_read_only = 'off'"#,
            ]
        );
    }

    #[test]
    fn a_role_that_is_gone_is_skipped_by_name() {
        let open = open_sql(&closed());
        assert_eq!(open[0], reset_sql(&closed())[1]);
        assert_eq!(
            open[2],
            "DO 'BEGIN ALTER ROLE \"bat\"\"ch\" IN DATABASE \"Shop\" SET default_transaction_read_only = ''off''; \
             EXCEPTION WHEN undefined_object THEN RAISE WARNING USING ERRCODE = ''PGL02'', MESSAGE = ''role \"bat\"\"ch\" \
             does not exist any more: its setting default_transaction_read_only is skipped''; END'"
        );
        let there = ["app".to_owned(), "other".to_owned()];
        let left = closed().with_roles(&there);
        assert_eq!(left.role_names(), ["app"]);
        let database = Override {
            role: None,
            here: true,
            value: "off".to_owned(),
        };
        let kept = Closed {
            overrides: vec![database],
            ..closed()
        };
        assert_eq!(kept.clone().with_roles(&[]), kept);
    }

    #[test]
    fn a_setting_that_came_later_is_added_and_ours_is_not() {
        let entry = |role: Option<&str>, here, value: &str| Override {
            role: role.map(str::to_owned),
            here,
            value: value.to_owned(),
        };
        let before = closed();
        let ours = vec![
            entry(None, true, "on"),
            entry(Some("app"), false, "off"),
            entry(Some("app"), true, "on"),
            entry(Some("bat\"ch"), true, "on"),
            entry(Some("bat\"ch"), false, "on"),
        ];
        assert_eq!(before.clone().with_new(ours), before);
        let late = closed().with_new(vec![
            entry(Some("late"), false, "off"),
            entry(Some("app"), true, "off"),
        ]);
        assert!(
            close_sql(&late).contains(
                &r#"ALTER ROLE "late" IN DATABASE "Shop" SET default_transaction_read_only = on"#
                    .to_owned()
            )
        );
        let open = reset_sql(&late);
        assert!(
            open.contains(
                &r#"ALTER ROLE "late" IN DATABASE "Shop" RESET default_transaction_read_only"#
                    .to_owned()
            )
        );
        assert!(
            open.contains(
                &r#"ALTER ROLE "app" IN DATABASE "Shop" SET default_transaction_read_only = 'off'"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_trigger_that_is_there_is_set_to_what_is_wanted() {
        let one = |enabled: Option<&str>| BlockedTable {
            table: QualifiedName::new("s", "t"),
            enabled: enabled.map(str::to_owned),
        };
        let number = |enabled, fires| wall_sql(&[one(enabled)], fires).len();
        assert_eq!(number(None, WriteBlock::ButReplicas), 1);
        assert_eq!(number(None, WriteBlock::Always), 2);
        assert_eq!(number(Some("O"), WriteBlock::ButReplicas), 0);
        assert_eq!(number(Some("A"), WriteBlock::Always), 0);
        assert_eq!(
            wall_sql(&[one(Some("D"))], WriteBlock::Always),
            [r#"ALTER TABLE ONLY "s"."t" ENABLE ALWAYS TRIGGER pgl_refuse_write"#]
        );
        assert_eq!(
            wall_sql(&[one(Some("A"))], WriteBlock::ButReplicas),
            [r#"ALTER TABLE ONLY "s"."t" ENABLE TRIGGER pgl_refuse_write"#]
        );
    }

    #[test]
    fn the_wall_goes_with_its_function() {
        assert_eq!(
            unwall_sql(&[QualifiedName::new("s", "t")]),
            [
                r#"DROP TRIGGER IF EXISTS pgl_refuse_write ON "s"."t""#,
                "DROP FUNCTION IF EXISTS pgl.refuse_write()"
            ]
        );
        assert!(unwall_sql(&[]).is_empty());
    }
}
