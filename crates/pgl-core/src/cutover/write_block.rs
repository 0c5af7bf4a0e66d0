//! Closing a database to writers and opening it again: what was there before, and the statements.
//!
//! `default_transaction_read_only` on the database closes it for every session that begins later,
//! superusers included, and for the walsender and the apply worker it changes nothing (seen on 13, 15,
//! 17 and 18: pglogical writes rows and truncates below the executor, where the setting is not looked
//! at; only replicated DDL and sequence messages need a worker that started before). A role's own
//! setting beats the database's, so every role that has one gets one for this database, too.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{QualifiedName, quote_ident, quote_literal};

pub(super) const SETTING: &str = "default_transaction_read_only";
/// The trigger that refuses writes.
const TRIGGER: &str = "pgl_refuse_write";

/// A value of the setting in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadOnlyOverride {
    /// The role; null for all roles.
    pub role: Option<String>,
    /// Its OID, by which it is found where it was renamed.
    #[serde(default)]
    pub oid: Option<u32>,
    /// Whether it is for this database alone, and not for all of them.
    pub here: bool,
    /// The value.
    pub value: String,
}

impl ReadOnlyOverride {
    /// Whose setting it is, as ALTER ROLE names it.
    pub(super) fn of_role(&self, closed: &Closed) -> String {
        let role = self
            .role
            .as_deref()
            .map_or_else(|| "ALL".to_owned(), quote_ident);
        match self.here {
            true => format!("{role} IN DATABASE {}", quote_ident(&closed.database)),
            false => role,
        }
    }
}

/// What a closed database was like: enough to open it again as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closed {
    /// The database.
    pub database: String,
    /// Every setting that was there.
    pub overrides: Vec<ReadOnlyOverride>,
}

impl Closed {
    /// Roles that need a setting for this database, each once.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self
            .overrides
            .iter()
            .filter_map(|one| one.role.as_deref())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// What is stored, with what somebody has changed since the database was made read-only: settings of roles that had
    /// none, values that stand in the place of ours, and settings of ours that were reset, so that the one before is not wanted either.
    #[must_use]
    pub fn with_new(mut self, now: Vec<ReadOnlyOverride>) -> Self {
        let known: Vec<Option<String>> = self
            .roles()
            .into_iter()
            .map(|r| Some(r.to_owned()))
            .collect();
        let there = |old: &ReadOnlyOverride| now.iter().any(|one| one.here && one.role == old.role);
        self.overrides.retain(|old| !old.here || there(old));
        for one in now {
            let ours = one.here && (one.role.is_none() || known.contains(&one.role));
            if ours && one.value == "on" {
                continue;
            }
            let mut stored = self.overrides.iter_mut();
            match stored.find(|old| (&old.role, old.here) == (&one.role, one.here)) {
                Some(old) => old.value = one.value,
                None => self.overrides.push(one),
            }
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

    /// OIDs of the roles that are stored.
    pub fn role_oids(&self) -> Vec<u32> {
        self.overrides.iter().filter_map(|one| one.oid).collect()
    }

    /// The same after the database, or roles, were renamed. A role that was dropped keeps its name.
    pub fn rename(&mut self, database: String, roles: &HashMap<u32, String>) {
        self.database = database;
        for one in &mut self.overrides {
            if let Some(now) = one.oid.and_then(|oid| roles.get(&oid)) {
                one.role = Some(now.clone());
            }
        }
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

/// The statements that close it. Roles that are dropped meanwhile are skipped.
pub fn close_sql(closed: &Closed) -> Vec<String> {
    each(closed, |role| {
        format!("{} SET {SETTING} = on", target(closed, role))
    })
}

/// One statement for the database, and one for each role that has a setting: a role that was dropped meanwhile has none any more,
/// and is reported with a warning of SQLSTATE [`SKIPPED_ROLE`].
fn each(closed: &Closed, statement: impl Fn(Option<&str>) -> String) -> Vec<String> {
    let mut all = vec![statement(None)];
    for role in closed.roles() {
        let body = format!(
            "BEGIN {}; EXCEPTION WHEN undefined_object THEN RAISE WARNING USING ERRCODE = '{SKIPPED_ROLE}', MESSAGE = {}; END",
            statement(Some(role)),
            quote_literal(&format!(
                "role {} does not exist any more: its setting {SETTING} is skipped",
                quote_ident(role)
            ))
        );
        all.push(format!("DO {}", quote_literal(&body)));
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

impl BlockedTable {
    /// Whether a trigger refuses the writes of ordinary sessions.
    pub fn is_blocked(&self) -> bool {
        matches!(self.enabled.as_deref(), Some("O" | "A"))
    }
}

/// The statements that make the write-block triggers of these tables what `fires` says; `pgl.refuse_write()` is there.
pub fn block_sql(tables: &[BlockedTable], fires: WriteBlock) -> Vec<String> {
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
pub fn unblock_sql(tables: &[QualifiedName]) -> Vec<String> {
    let mut all: Vec<String> = tables
        .iter()
        .map(|table| format!("DROP TRIGGER IF EXISTS {TRIGGER} ON {}", table.sql()))
        .collect();
    if !all.is_empty() {
        all.push("DROP FUNCTION IF EXISTS pgl.refuse_write()".to_owned());
    }
    all
}

/// Statements that make a session accept writes although its database is read-only: what is printed for people begins
/// with them. The second is for clients that send all statements as one string, and so in one transaction.
pub const READ_WRITE: &str =
    "SET default_transaction_read_only = off; SET transaction_read_only = off";

/// The statements that open it again, to what it was, for people.
pub fn reset_sql(closed: &Closed) -> Vec<String> {
    let roles = closed.roles().into_iter().map(Some);
    let each = std::iter::once(None)
        .chain(roles)
        .map(|role| restored(closed, role));
    std::iter::once(READ_WRITE.to_owned()).chain(each).collect()
}

/// The same for a program.
pub fn open_sql(closed: &Closed) -> Vec<String> {
    each(closed, |role| restored(closed, role))
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
        let entry = |role: Option<&str>, here, value: &str| ReadOnlyOverride {
            role: role.map(str::to_owned),
            oid: None,
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
        let close = close_sql(&closed());
        assert_eq!(close.len(), 3);
        assert_eq!(
            close[0],
            r#"ALTER DATABASE "Shop" SET default_transaction_read_only = on"#
        );
        assert_eq!(
            close[2],
            "DO 'BEGIN ALTER ROLE \"bat\"\"ch\" IN DATABASE \"Shop\" SET default_transaction_read_only = on; \
             EXCEPTION WHEN undefined_object THEN RAISE WARNING USING ERRCODE = ''PGL02'', MESSAGE = ''role \"bat\"\"ch\" \
             does not exist any more: its setting default_transaction_read_only is skipped''; END'"
        );
    }

    #[test]
    fn a_role_is_closed_once_whatever_the_order_of_its_settings() {
        let mut many = closed();
        many.overrides.push(ReadOnlyOverride {
            role: Some("app".to_owned()),
            oid: None,
            here: true,
            value: "off".to_owned(),
        });
        assert_eq!(close_sql(&many), close_sql(&closed()));
    }

    #[test]
    fn what_was_there_comes_back() {
        assert_eq!(
            reset_sql(&closed()),
            [
                READ_WRITE,
                r#"ALTER DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "app" IN DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "bat""ch" IN DATABASE "Shop" SET default_transaction_read_only = 'off'"#,
            ]
        );
    }

    #[test]
    fn a_renamed_role_is_known_by_its_oid() {
        let mut stored = closed();
        stored.overrides[0].oid = Some(7);
        stored.overrides[1].oid = Some(8);
        assert_eq!(stored.role_oids(), [7, 8]);
        let roles = HashMap::from([(7, "web".to_owned())]);
        stored.rename("Shop2".to_owned(), &roles);
        assert_eq!(stored.role_names(), ["bat\"ch", "web"]);
        assert_eq!(
            close_sql(&stored)[0],
            r#"ALTER DATABASE "Shop2" SET default_transaction_read_only = on"#
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
        let database = ReadOnlyOverride {
            role: None,
            oid: None,
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
        let entry = |role: Option<&str>, here, value: &str| ReadOnlyOverride {
            role: role.map(str::to_owned),
            oid: None,
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
        // What a role has for all databases is never the tools'.
        let theirs = closed().with_new(vec![
            entry(Some("app"), false, "on"),
            entry(Some("app"), true, "on"),
            entry(Some("bat\"ch"), true, "on"),
            entry(None, false, "on"),
        ]);
        assert_eq!(
            theirs.overrides,
            [
                entry(Some("app"), false, "on"),
                entry(Some("bat\"ch"), true, "off"),
                entry(Some("bat\"ch"), false, "on"),
                entry(None, false, "on"),
            ]
        );
        let late = closed().with_new(vec![
            entry(None, true, "on"),
            entry(Some("late"), false, "off"),
            entry(Some("app"), true, "off"),
        ]);
        assert!(close_sql(&late).iter().any(|sql| {
            sql.contains(
                r#"ALTER ROLE "late" IN DATABASE "Shop" SET default_transaction_read_only = on"#,
            )
        }));
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
    fn a_setting_that_was_reset_meanwhile_does_not_come_back() {
        let on = |role: Option<&str>| ReadOnlyOverride {
            role: role.map(str::to_owned),
            oid: None,
            here: true,
            value: "on".to_owned(),
        };
        let before = Closed {
            database: "Shop".to_owned(),
            overrides: vec![on(None), on(Some("app"))],
        };
        let untouched = vec![on(None), on(Some("app"))];
        assert_eq!(before.clone().with_new(untouched), before);
        assert_eq!(
            before.clone().with_new(vec![on(Some("app"))]).overrides,
            [on(Some("app"))]
        );
        assert_eq!(before.with_new(vec![on(None)]).overrides, [on(None)]);
    }

    #[test]
    fn a_trigger_that_is_there_is_set_to_what_is_wanted() {
        let one = |enabled: Option<&str>| BlockedTable {
            table: QualifiedName::new("s", "t"),
            enabled: enabled.map(str::to_owned),
        };
        let number = |enabled, fires| block_sql(&[one(enabled)], fires).len();
        let create = "CREATE TRIGGER pgl_refuse_write BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON \"s\".\"t\" \
                      FOR EACH STATEMENT EXECUTE PROCEDURE pgl.refuse_write()";
        assert_eq!(block_sql(&[one(None)], WriteBlock::ButReplicas), [create]);
        assert_eq!(
            block_sql(&[one(None)], WriteBlock::Always),
            [
                create,
                r#"ALTER TABLE ONLY "s"."t" ENABLE ALWAYS TRIGGER pgl_refuse_write"#
            ]
        );
        assert_eq!(number(Some("O"), WriteBlock::ButReplicas), 0);
        assert_eq!(number(Some("A"), WriteBlock::Always), 0);
        assert_eq!(
            block_sql(&[one(Some("D"))], WriteBlock::Always),
            [r#"ALTER TABLE ONLY "s"."t" ENABLE ALWAYS TRIGGER pgl_refuse_write"#]
        );
        assert_eq!(
            block_sql(&[one(Some("A"))], WriteBlock::ButReplicas),
            [r#"ALTER TABLE ONLY "s"."t" ENABLE TRIGGER pgl_refuse_write"#]
        );
    }

    #[test]
    fn who_passes_the_triggers_is_named() {
        let gap = WriteBlock::ButReplicas.gap().unwrap();
        assert!(gap.contains("session_replication_role = replica"), "{gap}");
        assert_eq!(WriteBlock::Always.gap(), None);
    }

    #[test]
    fn the_wall_goes_with_its_function() {
        assert_eq!(
            unblock_sql(&[QualifiedName::new("s", "t")]),
            [
                r#"DROP TRIGGER IF EXISTS pgl_refuse_write ON "s"."t""#,
                "DROP FUNCTION IF EXISTS pgl.refuse_write()"
            ]
        );
        assert!(unblock_sql(&[]).is_empty());
    }
}
