//! What would change or refuse rows that are copied again into a table of a schema that is complete: set aside and given back in the
//! transaction of the copy.

use pgl_conn::{Error as ConnError, Session};
use serde::Deserialize;

use crate::quiet_ddl::quiet_sql;

/// The statements that give it back.
pub(crate) struct SetAside(Vec<String>);

/// Statements as sql/set_aside.sql gives them.
#[derive(Deserialize)]
struct Statements {
    off: Option<String>,
    back: String,
}

impl SetAside {
    /// Sets aside what this table has, in the transaction that the session is in and in which it has locked the table.
    pub(crate) fn of(session: &mut Session, table: &str) -> Result<Self, ConnError> {
        let all: Vec<Statements> =
            pgl_catalog::rows(session, include_str!("../../sql/set_aside.sql"), &[&table])?;
        if !all.is_empty() {
            let off: Vec<&str> = all.iter().filter_map(|one| one.off.as_deref()).collect();
            session.batch(&format!("{}{}", quiet_sql(session), off.join(";\n")))?;
        }
        Ok(Self(all.into_iter().map(|one| one.back).collect()))
    }

    /// Gives it back.
    pub(crate) fn give_back(&self, session: &mut Session) -> Result<(), ConnError> {
        self.0.iter().try_for_each(|sql| session.batch(sql))
    }
}
