//! Write-block triggers: a trigger on each table that refuses every write, also of a session that overrides
//! the read-only setting. What was written there would be lost.
//!
//! As long as something is replicated to the database they are ordinary triggers, so that pglogical's worker, which
//! applies as a replica, passes them. On the source they are created while the tables are locked, and committed before
//! the target is promoted: locks go with their session, a trigger outlives a kill and a restart. To let everybody pass
//! again only their function is replaced, which waits for nobody; the triggers go later.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pgl_conn::{Error, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{BlockedTable, Refusal, WriteBlock, block_sql, unblock_sql};
use pgl_core::journal::WRITE_BLOCK;
use pgl_core::lock_wait::Holders;

use crate::Watch;
use crate::journal::{forget, read, statement};
use crate::lock_wait::{LockWait, is_busy};
use crate::quiet_ddl::quiet_sql;

const BUILDING: &str = "creating the write-block triggers";
/// How long the removal of one trigger waits for whoever reads its table: writers wait behind it.
const CLEARING_MS: u32 = 150;
/// How often it is tried.
const CLEARING_TRIES: u32 = 4;
/// Tables that get their triggers in one transaction while replication goes on.
const AT_ONCE: usize = 50;

/// The triggers of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBlockTriggers {
    tables: Vec<BlockedTable>,
    fires: WriteBlock,
}

impl WriteBlockTriggers {
    /// The triggers for these tables and what they are partitions of.
    ///
    /// # Errors
    /// The server's.
    pub fn plan(
        session: &mut Session,
        tables: &[QualifiedName],
        fires: WriteBlock,
    ) -> Result<Self, Error> {
        let tables = pgl_catalog::write_block(session, tables)?;
        Ok(Self { tables, fires })
    }

    /// The tables.
    pub fn tables(&self) -> Vec<QualifiedName> {
        self.tables.iter().map(|one| one.table.clone()).collect()
    }

    /// How many tables there are.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether there is no table to keep anybody out of.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The statements that build it, but for the function's.
    pub fn script(&self) -> Vec<String> {
        block_sql(&self.tables, self.fires)
    }

    /// Creates them in the transaction that the session is in, next to the locks that it holds. Nobody else
    /// meets them before [`Self::keep`].
    ///
    /// # Errors
    /// The server's.
    pub fn raise(&self, session: &mut Session) -> Result<(), Error> {
        let function = include_str!("../../sql/cutover/write_block_function.sql");
        let quiet = quiet_sql(session);
        let sql = format!("{quiet}{function};\n{}", self.script().join(";\n"));
        session
            .batch(&sql)
            .map_err(|error| error.with_context(BUILDING))
    }

    fn row(&self, migration: &str) -> String {
        statement(migration, &WRITE_BLOCK, &self.tables())
    }

    /// Commits what was created, with the list of its tables and `statements`: from here on the triggers keep
    /// writers out, and the locks go.
    ///
    /// # Errors
    /// The server's: nothing is committed then, unless the connection was lost.
    pub fn keep(
        &self,
        session: &mut Session,
        migration: &str,
        statements: &str,
    ) -> Result<(), Error> {
        let row = self.row(migration);
        session
            .batch(&format!("{row}{statements}COMMIT"))
            .map_err(|error| error.with_context(BUILDING))
    }

    /// Creates and commits them while replication goes on: some tables at a time, under locks that are asked for with a
    /// limit.
    ///
    /// # Errors
    /// [`crate::Error::NotYet`] when a table stays locked until `deadline`; the server's.
    pub fn build_beside_replication(
        &self,
        session: &mut Session,
        migration: &str,
        wait: &mut LockWait,
        deadline: Instant,
        watch: &dyn Watch,
    ) -> Result<(), crate::Error> {
        if self.is_empty() {
            return Ok(());
        }
        let quiet = quiet_sql(session);
        let function = include_str!("../../sql/cutover/write_block_function.sql");
        // The list first: triggers that it names need not be there, but one that it does not name would stay for ever.
        session
            .batch(&format!(
                "BEGIN;\n{quiet}{function};\n{}COMMIT",
                self.row(migration)
            ))
            .map_err(|error| error.with_context(BUILDING))?;
        for some in self.tables.chunks(AT_ONCE) {
            let statements = block_sql(some, self.fires);
            if statements.is_empty() {
                continue;
            }
            let names: Vec<QualifiedName> = some.iter().map(|one| one.table.clone()).collect();
            let mut millis = wait.usual_ms();
            loop {
                let script = format!(
                    "BEGIN; SET LOCAL lock_timeout = {millis};\n{quiet}{};\nCOMMIT",
                    statements.join(";\n")
                );
                let Err(error) = session.batch(&script) else {
                    break;
                };
                if !error.is_lost() {
                    session.rollback()?;
                }
                if !is_busy(&error) {
                    return Err(error.with_context(BUILDING).into());
                }
                if watch.stop() {
                    return Err(crate::Error::Interrupted);
                }
                if Instant::now() > deadline {
                    return Err(crate::Error::NotYet {
                        side: session.side(),
                        what: format!("{BUILDING}: {}", error.message),
                        hint: "run this again when the tables are not locked".to_owned(),
                    });
                }
                millis = wait.next(session, &names, Holders::Waited)?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

/// What refuses the statements of an attempt's write block: they are tried on a table of the tools' own and on the first of `tables` in
/// each schema, since an event trigger may look at the object, and rolled back. What is locked is not tried.
///
/// # Errors
/// When the connection is lost, or the run is to end.
pub fn refused(
    session: &mut Session,
    fires: WriteBlock,
    tables: &[QualifiedName],
) -> Result<Option<Refusal>, Error> {
    let mut tried = pgl_catalog::write_block(session, tables)?;
    let mut schemas = HashSet::new();
    tried.retain(|one| schemas.insert(one.table.schema.clone()));
    let own = BlockedTable {
        table: QualifiedName::new("pgl", "held"),
        enabled: None,
    };
    tried.insert(0, own);
    for one in tried {
        let table = one.table.to_string();
        let script = format!(
            "BEGIN; SET LOCAL lock_timeout = {CLEARING_MS};\n{}{};\n{};\nROLLBACK",
            quiet_sql(session),
            include_str!("../../sql/cutover/write_block_function.sql"),
            block_sql(&[one], fires).join(";\n")
        );
        let Err(error) = session.batch(&script) else {
            continue;
        };
        if error.is_lost() || error.kind == Kind::Cancelled {
            return Err(error);
        }
        session.rollback()?;
        // Another run is about the tools' own, whoever reads or writes about the others.
        if is_busy(&error) {
            continue;
        }
        return Ok(Some(Refusal {
            id: "cut.write_block".to_owned(),
            what: format!("a write-block trigger cannot be created on {table}: {error}"),
            hint: error.hint.clone().unwrap_or_else(|| {
                "where an event trigger refuses it: ALTER EVENT TRIGGER name DISABLE for the time of the cutover"
                    .to_owned()
            }),
        }));
    }
    Ok(None)
}

/// Tables that have a write-block trigger, whether it lets pass or not.
///
/// # Errors
/// The server's.
pub fn blocked_tables(session: &mut Session, migration: &str) -> Result<Vec<QualifiedName>, Error> {
    Ok(read(session, migration, &WRITE_BLOCK)?.unwrap_or_default())
}

/// The statement that lets everybody pass; empty where there is no write block.
pub(super) fn disable_sql(write_block: &[QualifiedName]) -> &'static str {
    if write_block.is_empty() {
        ""
    } else {
        concat!(
            include_str!("../../sql/cutover/write_block_disable.sql"),
            ";\n"
        )
    }
}

/// Drops disabled write-block triggers, one by one, where nobody reads their tables: they do no harm where
/// they stay, and the next attempt, or pgl-teardown, finds them in the journal.
pub fn clear(session: &mut Session, migration: &str, write_block: &[QualifiedName]) {
    if write_block.is_empty() {
        return;
    }
    let side = session.side();
    if let Err(error) = take_away(session, migration, write_block) {
        let why = match error.kind {
            Kind::LockTimeout => "somebody reads or writes them".to_owned(),
            _ => error.to_string(),
        };
        log::warn!(
            "{side}: disabled write-block triggers (pgl_refuse_write) remain on tables ({why}): \
             pgl-teardown removes them"
        );
    }
}

fn take_away(
    session: &mut Session,
    migration: &str,
    write_block: &[QualifiedName],
) -> Result<(), Error> {
    let quiet = quiet_sql(session);
    let statements = unblock_sql(write_block);
    for (number, sql) in statements.iter().enumerate() {
        // The function goes last, and with it the list.
        let last = number + 1 == statements.len();
        let listed = if last {
            forget(migration, &WRITE_BLOCK)
        } else {
            String::new()
        };
        let script = format!(
            "BEGIN; SET LOCAL lock_timeout = {CLEARING_MS};\n{quiet}{sql};\n{listed}COMMIT"
        );
        let mut tries = 1;
        while let Err(error) = session.batch(&script) {
            if error.is_lost() {
                return Err(error);
            }
            session.rollback()?;
            if error.kind != Kind::LockTimeout || tries == CLEARING_TRIES {
                return Err(error);
            }
            tries += 1;
        }
    }
    Ok(())
}
