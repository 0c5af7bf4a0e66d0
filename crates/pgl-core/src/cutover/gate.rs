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

/// How a database is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// New sessions can read.
    ReadOnly,
    /// New sessions are refused as well, but for superusers, ourselves and who replicates.
    Revoke,
}

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

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// The role; null for everybody.
    pub grantee: Option<String>,
    /// Whether it may pass the right on.
    pub grantable: bool,
}

/// What a closed database was like: enough to open it again as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closed {
    /// The database.
    pub database: String,
    /// How it was closed.
    pub way: Way,
    /// Every setting that was there.
    pub overrides: Vec<Override>,
    /// Who could connect; empty unless [`Way::Revoke`].
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Who must still be able to: ourselves and who replicates.
    #[serde(default)]
    pub keep: Vec<String>,
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

    fn before(&self, role: Option<&str>) -> Option<&str> {
        self.overrides
            .iter()
            .find(|one| one.here && one.role.as_deref() == role)
            .map(|one| one.value.as_str())
    }

    fn granted(&self, role: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.grantee.as_deref() == Some(role))
    }
}

fn target(closed: &Closed, role: Option<&str>) -> String {
    let database = quote_ident(&closed.database);
    match role {
        None => format!("ALTER DATABASE {database}"),
        Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", quote_ident(role)),
    }
}

fn grantee(role: Option<&str>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), quote_ident)
}

/// The statements that close it.
pub fn close_sql(closed: &Closed) -> Vec<String> {
    let mut all = vec![format!("{} SET {SETTING} = on", target(closed, None))];
    for role in closed.roles() {
        all.push(format!("{} SET {SETTING} = on", target(closed, Some(role))));
    }
    if closed.way == Way::Revoke {
        let database = quote_ident(&closed.database);
        for role in &closed.keep {
            if !closed.granted(role) {
                all.push(format!(
                    "GRANT CONNECT ON DATABASE {database} TO {}",
                    quote_ident(role)
                ));
            }
        }
        for grant in &closed.grants {
            let kept = grant
                .grantee
                .as_ref()
                .is_some_and(|role| closed.keep.contains(role));
            if !kept {
                all.push(format!(
                    "REVOKE CONNECT ON DATABASE {database} FROM {}",
                    grantee(grant.grantee.as_deref())
                ));
            }
        }
    }
    all
}

/// The statements that keep every writer out of a home that was left; `pgl.refuse_write()` is there.
pub fn wall_sql(tables: &[QualifiedName]) -> Vec<String> {
    tables
        .iter()
        .map(|table| {
            format!(
                "CREATE TRIGGER {TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {} \
                 FOR EACH STATEMENT EXECUTE PROCEDURE pgl.refuse_write()",
                table.sql()
            )
        })
        .collect()
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

/// The statements that open it again, to what it was.
pub fn open_sql(closed: &Closed) -> Vec<String> {
    let mut all = Vec::new();
    let roles = closed.roles();
    for role in std::iter::once(None).chain(roles.into_iter().map(Some)) {
        let target = target(closed, role);
        all.push(match closed.before(role) {
            Some(value) => format!("{target} SET {SETTING} = {}", quote_literal(value)),
            None => format!("{target} RESET {SETTING}"),
        });
    }
    if closed.way == Way::Revoke {
        let database = quote_ident(&closed.database);
        for grant in &closed.grants {
            let option = if grant.grantable {
                " WITH GRANT OPTION"
            } else {
                ""
            };
            all.push(format!(
                "GRANT CONNECT ON DATABASE {database} TO {}{option}",
                grantee(grant.grantee.as_deref())
            ));
        }
        for role in &closed.keep {
            if !closed.granted(role) {
                all.push(format!(
                    "REVOKE CONNECT ON DATABASE {database} FROM {}",
                    quote_ident(role)
                ));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(way: Way) -> Closed {
        let entry = |role: Option<&str>, here, value: &str| Override {
            role: role.map(str::to_owned),
            here,
            value: value.to_owned(),
        };
        let grant = |grantee: Option<&str>, grantable| Grant {
            grantee: grantee.map(str::to_owned),
            grantable,
        };
        Closed {
            database: "Shop".to_owned(),
            way,
            overrides: vec![
                entry(Some("app"), false, "off"),
                entry(Some("bat\"ch"), true, "off"),
                entry(Some("bat\"ch"), false, "on"),
            ],
            grants: vec![grant(None, false), grant(Some("owner"), true)],
            keep: vec!["me".to_owned(), "owner".to_owned()],
        }
    }

    #[test]
    fn roles_with_a_setting_of_their_own_are_closed_too() {
        assert_eq!(
            close_sql(&closed(Way::ReadOnly)),
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
            open_sql(&closed(Way::ReadOnly)),
            [
                r#"ALTER DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "app" IN DATABASE "Shop" RESET default_transaction_read_only"#,
                r#"ALTER ROLE "bat""ch" IN DATABASE "Shop" SET default_transaction_read_only = 'off'"#,
            ]
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

    #[test]
    fn who_must_get_in_keeps_the_right_to() {
        let shut = close_sql(&closed(Way::Revoke));
        assert!(shut.contains(&r#"GRANT CONNECT ON DATABASE "Shop" TO "me""#.to_owned()));
        assert!(shut.contains(&r#"REVOKE CONNECT ON DATABASE "Shop" FROM PUBLIC"#.to_owned()));
        assert!(!shut.iter().any(|sql| sql.contains("FROM \"owner\"")));
        let open = open_sql(&closed(Way::Revoke));
        assert!(open.contains(&r#"GRANT CONNECT ON DATABASE "Shop" TO PUBLIC"#.to_owned()));
        assert!(open.contains(&r#"REVOKE CONNECT ON DATABASE "Shop" FROM "me""#.to_owned()));
    }
}
