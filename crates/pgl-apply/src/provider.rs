//! pglogical on either side: extension and node; on the source the privileges and the sets.

use std::time::{Duration, Instant};

use pgl_catalog::setup::SetMember;
use pgl_conn::{DsnText, Session};
use pgl_core::journal::{self, Each};
use pgl_core::lock_wait::Holders;
use pgl_core::rights::{self, GRANT_USAGE, LET_EVERYBODY_USE, NODE_DSN, REVOKE_EXECUTE};
use pgl_core::{Plan, QualifiedName, Side, plural, quote_ident, quote_literal};

use crate::journal::statement;
use crate::lock_wait::{LockWait, is_busy};
use crate::unlogged::unlogged;
use crate::{Done, Error, Watch, pgl_schema};

/// The extensions that a server of this version needs, in the order of their creation.
fn extensions(version: pgl_core::ServerVersion) -> &'static [&'static str] {
    // 9.4 has no replication origins of its own.
    if version.at_least_num(90_500) {
        &["pglogical"]
    } else {
        &["pglogical_origin", "pglogical"]
    }
}

/// Statements that create the extension.
pub fn extension_sql(version: pgl_core::ServerVersion) -> Vec<String> {
    let all = extensions(version).iter();
    all.map(|name| create_extension(name)).collect()
}

fn create_extension(name: &str) -> String {
    format!("CREATE EXTENSION IF NOT EXISTS {name}")
}

/// Marks an extension as ours; the text begins with [`pgl_core::teardown::OWN_COMMENT`].
fn comment_extension(name: &str) -> String {
    format!("COMMENT ON EXTENSION {name} IS 'pgl: created for a migration; pgl-teardown drops it'")
}

/// The version of pglogical in this database.
///
/// # Errors
/// The server's.
pub fn installed(session: &mut Session) -> Result<Option<String>, pgl_conn::Error> {
    version_of(session, "pglogical")
}

fn version_of(session: &mut Session, extension: &str) -> Result<Option<String>, pgl_conn::Error> {
    session.value_opt(
        "SELECT extversion::text FROM pg_extension WHERE extname = $1",
        &[&extension],
        "the version of an extension",
    )
}

/// Creates the extension.
///
/// # Errors
/// The server's: the library has to be preloaded.
pub fn extension(session: &mut Session) -> Result<Done, Error> {
    // CREATE EXTENSION takes a schema that exists as it is, owner included.
    pgl_catalog::pgl_schema::pglogical(session)?;
    let mut version: Option<String> = None;
    for name in extensions(session.version()) {
        version = version_of(session, name)?;
        if version.is_none() {
            // Event triggers of the users fire.
            session.with_views(true, |session| create(session, name))?;
        }
    }
    Ok(match version {
        Some(version) => Done::Already(format!("pglogical {version} is there")),
        None => Done::Changed("extension pglogical created".to_owned()),
    })
}

fn create(session: &mut Session, name: &str) -> Result<(), Error> {
    // The comment is how pgl-teardown knows that it may drop the extension again: both or neither. Where a managed
    // service keeps the extension as its own, it stays without, and so stays altogether.
    session.batch("BEGIN")?;
    let done = session.batch(&create_extension(name)).and_then(|()| {
        session.batch("SAVEPOINT comment")?;
        match session.batch(&comment_extension(name)) {
            Err(error) if error.kind == pgl_conn::Kind::Denied => {
                log::debug!("no comment on extension {name}: {error}");
                session.batch("ROLLBACK TO SAVEPOINT comment")
            }
            other => other,
        }
    });
    let done = done
        .and_then(|()| session.batch(include_str!("../sql/extension_private.sql")))
        .and_then(|()| match name {
            "pglogical" => session.batch(&format!("{REVOKE_EXECUTE}; {LET_EVERYBODY_USE}")),
            _ => Ok(()),
        })
        .and_then(|()| pgl_catalog::pgl_schema::pglogical(session));
    match done {
        Ok(()) => Ok(session.commit()?),
        Err(error) => {
            if !error.is_lost() {
                session.rollback()?;
            }
            Err(error.into())
        }
    }
}

/// The statement that makes a database a node; its parameter is the DSN.
pub fn node_sql(name: &str) -> String {
    format!(
        "SELECT pglogical.create_node(node_name := {}, dsn := $1::text)",
        quote_literal(name)
    )
}

/// Makes the database a node. `dsn` is how the server reaches itself; on the source only reverse replication uses it.
///
/// # Errors
/// The server's; a refusal when the database is another node already.
pub fn node(session: &mut Session, name: &str, dsn: &DsnText) -> Result<Done, Error> {
    if let Some(done) = node_found(session, name)? {
        return Ok(done);
    }
    unlogged(session, |session| session.query(&node_sql(name), &[dsn]))?;
    Ok(Done::Changed(format!("node {name} created")))
}

/// Gives the node of this database another connection string to itself, where it has another one.
///
/// # Errors
/// The server's; a refusal where the role may not.
pub fn node_dsn(session: &mut Session, name: &str, dsn: &DsnText) -> Result<Done, Error> {
    if has_dsn(session, dsn)? {
        return Ok(Done::Already(format!("node {name} is there")));
    }
    let changed = unlogged(session, |session| {
        session.execute(
            "UPDATE pglogical.node_interface i SET if_dsn = $1::text FROM pglogical.local_node l WHERE i.if_id = l.node_local_interface",
            &[dsn],
        )
    });
    match changed {
        Ok(_) => Ok(Done::Changed(format!(
            "node {name} has another connection string to its own database now"
        ))),
        Err(error) if error.kind == pgl_conn::Kind::Denied => Err(Error::refused(
            session.side(),
            format!(
                "node {name} has another connection string to its own database than the one given, and this role may not change it"
            ),
            match session.side() {
                Side::Target => format!(
                    "SELECT pglogical.drop_node({}) on the target, and run this again",
                    quote_literal(name)
                ),
                // Its node has the replication sets.
                Side::Source => {
                    NODE_DSN.hint(Side::Source, &pgl_catalog::server::grantee(session)?)
                }
            },
        )),
        Err(error) => Err(error.into()),
    }
}

/// Whether the node of this database has this connection string to itself.
fn has_dsn(session: &mut Session, dsn: &DsnText) -> Result<bool, pgl_conn::Error> {
    unlogged(session, |session| {
        session.value(
            "SELECT i.if_dsn = $1::text FROM pglogical.local_node l JOIN pglogical.node_interface i ON i.if_id = l.node_local_interface",
            &[dsn],
            "whether the node has this connection string",
        )
    })
}

/// Whether the role may not give the node this connection string, which it does not have.
///
/// # Errors
/// The server's.
pub fn node_dsn_refused(session: &mut Session, dsn: &DsnText) -> Result<bool, pgl_conn::Error> {
    let lacking = pgl_catalog::server::lacking(session, &[NODE_DSN])?;
    let unread = lacking.iter().any(|one| one.starts_with("SELECT"));
    Ok(unread || !lacking.is_empty() && !has_dsn(session, dsn)?)
}

/// Whether the database is this node; none where it is no node.
///
/// # Errors
/// The server's; a refusal when it is another node.
pub fn node_found(session: &mut Session, name: &str) -> Result<Option<Done>, Error> {
    let side = session.side();
    if installed(session)?.is_none() {
        return Ok(None);
    }
    let found: Option<String> =
        session.value_opt(include_str!("../sql/node.sql"), &[], "the name of the node")?;
    if let Some(existing) = found {
        if existing == name {
            return Ok(Some(Done::Already(format!("node {name} is there"))));
        }
        return Err(Error::refused(
            side,
            format!("this database is pglogical node {existing:?} already, not {name:?}"),
            "a database can be one node only: take that migration down first, or give its name with --name",
        ));
    }
    Ok(None)
}

/// The statement that lets a role execute them all the same.
fn grant_execute_sql(role: &str) -> String {
    format!(
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO {}",
        quote_ident(role)
    )
}

/// Lets every role go on with DROP and TRUNCATE ([`LET_EVERYBODY_USE`]), and takes EXECUTE on pglogical's functions from PUBLIC
/// before; roles that had USAGE keep what they could do. All of it is in the journal, for pgl-teardown. The tables
/// of `plan` get a trigger for TRUNCATE.
///
/// # Errors
/// The server's; a refusal where that is not permitted and TRUNCATE of one of these tables would fail.
pub fn grants(session: &mut Session, migration: &str, plan: Option<&Plan>) -> Result<Done, Error> {
    if may_use(session)? {
        return Ok(Done::Already(
            "every role may use schema pglogical".to_owned(),
        ));
    }
    pgl_catalog::pgl_schema::require(session)?;
    let side = session.side();
    let (grants, execute) = (journal::grants(side), journal::execute(side));
    let row = |each: &Each<()>, role: &str| statement(migration, &each.of(role), &());
    let before = pgl_catalog::setup::execute(session)?;
    let mut sql = String::from("BEGIN;\n");
    if before.everybody {
        sql.push_str(&format!("{REVOKE_EXECUTE};\n{}", row(&execute, "PUBLIC")));
        for role in &before.roles {
            sql.push_str(&format!("{};\n", grant_execute_sql(role)));
            sql.push_str(&row(&execute, role));
        }
    }
    sql.push_str(&format!("{LET_EVERYBODY_USE};\n{}", row(&grants, "PUBLIC")));
    let done = session
        .batch(&sql)
        .and_then(|()| pgl_catalog::setup::execute(session));
    match done {
        Ok(after) if !after.everybody => {
            session.commit()?;
            Ok(Done::Changed(
                "every role may use schema pglogical, PUBLIC may not execute its functions"
                    .to_owned(),
            ))
        }
        // The server only warns where another role owns the schema and the functions.
        Ok(_) => {
            session.rollback()?;
            not_permitted(session, plan)
        }
        Err(error) if error.kind == pgl_conn::Kind::Denied => {
            session.rollback()?;
            not_permitted(session, plan)
        }
        Err(error) => {
            if !error.is_lost() {
                session.rollback()?;
            }
            Err(error
                .with_context("letting every role use schema pglogical")
                .into())
        }
    }
}

/// The extension is another role's: what its owner has to run is said. Where the application truncates tables that get
/// a trigger of pglogical, nothing goes on without.
fn not_permitted(session: &mut Session, plan: Option<&Plan>) -> Result<Done, Error> {
    let grantee = pgl_catalog::server::grantee(session)?;
    let lacking = [(&GRANT_USAGE, "PUBLIC".to_owned())];
    let hint = rights::hint(session.side(), &grantee, &lacking);
    let tables = plan.into_iter().flat_map(Plan::replicated);
    let tables: Vec<QualifiedName> = tables.map(|table| table.qualified()).collect();
    let affected = pgl_catalog::setup::truncaters(session, &tables)?;
    if affected.is_empty() {
        let what = "this role may not change who uses schema pglogical: DROP of any object fails for roles that may not";
        log::warn!("{}: {what}; {hint}", session.side());
        return Ok(Done::Already(format!("{what}; {hint}")));
    }
    let names: Vec<String> = affected
        .into_iter()
        .map(|role| role.unwrap_or_else(|| "PUBLIC".to_owned()))
        .collect();
    Err(Error::refused(
        session.side(),
        format!(
            "TRUNCATE of replicated tables would fail for {}, which may not use schema pglogical, and this role cannot let it",
            names.join(", ")
        ),
        hint,
    ))
}

/// Whether every role may use schema pglogical.
///
/// # Errors
/// The server's.
pub fn may_use(session: &mut Session) -> Result<bool, pgl_conn::Error> {
    session.value(
        "SELECT pg_catalog.has_schema_privilege('public', 'pglogical', 'USAGE')",
        &[],
        "whether every role may use schema pglogical",
    )
}

/// One membership that has to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberToAdd {
    /// Replication set.
    pub set: &'static str,
    /// Table.
    pub object: QualifiedName,
}

impl MemberToAdd {
    /// The statement that adds it. Full rows always: a column list that leaves out a generated
    /// column crashes the target.
    pub fn sql(&self) -> String {
        format!(
            "SELECT pglogical.replication_set_add_table(set_name := {}, relation := {}::regclass, synchronize_data := false)",
            quote_literal(self.set),
            quote_literal(&self.object.sql())
        )
    }
}

/// The memberships of a plan, our own marker first.
pub fn wanted(plan: &Plan) -> Vec<MemberToAdd> {
    let mut all = vec![MemberToAdd {
        set: "default",
        object: pgl_schema::marker(),
    }];
    all.extend(plan.replicated().filter_map(|table| {
        Some(MemberToAdd {
            set: table.set.name()?,
            object: table.qualified(),
        })
    }));
    all
}

/// Whether tables may join the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// The copy is still to come, or is made again for all of them.
    Open,
    /// The subscription runs: a table that joined now would arrive without its rows.
    Closed,
}

/// How long one table's lock is tried for in all.
const LOCK_PATIENCE: Duration = Duration::from_secs(600);

/// Adds tables to their sets, one transaction each. pglogical takes a lock that stops writers, so
/// the session must have a short `lock_timeout`; a table that is busy is tried again, later and
/// later.
///
/// # Errors
/// The server's; [`Error::NotYet`] when a table stayed locked for ten minutes.
pub fn sets(
    session: &mut Session,
    wanted: &[MemberToAdd],
    join: Join,
    watch: &dyn Watch,
) -> Result<Done, Error> {
    let missing = missing_members(session, wanted, join)?;
    if missing.is_empty() {
        return Ok(Done::Already(format!(
            "{} present",
            plural(wanted.len(), "member")
        )));
    }
    let mut wait = LockWait::of(session)?;
    watch.begin("replication sets", missing.len() as u64, false);
    for want in &missing {
        watch.doing(&want.object.to_string());
        add(session, want, &mut wait, watch)?;
        session.batch(&format!("SET lock_timeout = {}", wait.usual_ms()))?;
        watch.add(1);
    }
    watch.end();
    Ok(Done::Changed(format!(
        "{} of {} added",
        missing.len(),
        plural(wanted.len(), "member")
    )))
}

/// Memberships that do not exist yet.
///
/// # Errors
/// The server's; a refusal where a table is in another set, or where it may not be added any more.
pub fn missing_members<'a>(
    session: &mut Session,
    wanted: &'a [MemberToAdd],
    join: Join,
) -> Result<Vec<&'a MemberToAdd>, Error> {
    let members = pgl_catalog::setup::members(session)?;
    let (mut missing, mut elsewhere) = (Vec::new(), Vec::new());
    for want in wanted {
        let is_it = |m: &&SetMember| m.schema == want.object.schema && m.name == want.object.name;
        let mut found = members.iter().filter(is_it).peekable();
        if found.peek().is_none() {
            missing.push(want);
        } else if !found.any(|member| member.set == want.set) {
            elsewhere.push(want.object.to_string());
        }
    }
    if !elsewhere.is_empty() {
        return Err(Error::refused(
            Side::Source,
            format!(
                "{} in another replication set than the plan says: {}",
                if elsewhere.len() == 1 {
                    "a table is"
                } else {
                    "tables are"
                },
                elsewhere.join(", ")
            ),
            "remove them with pglogical.replication_set_remove_table, or make a new plan",
        ));
    }
    if let (Join::Closed, Some(first)) = (join, missing.first()) {
        return Err(Error::refused(
            Side::Source,
            format!(
                "not in the running replication: {} of the plan, the first is {}",
                plural(missing.len(), "table"),
                first.object
            ),
            "pgl-control adds a table with its rows; use the plan that this migration began with otherwise",
        ));
    }
    Ok(missing)
}

fn add(
    session: &mut Session,
    want: &MemberToAdd,
    wait: &mut LockWait,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(200);
    loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        match session.batch(&want.sql()) {
            Ok(()) => return Ok(()),
            // Another run, or an operator, was faster.
            Err(error) if error.is_sqlstate("23505") => return Ok(()),
            Err(error) if is_busy(&error) => {
                if started.elapsed() > LOCK_PATIENCE {
                    return Err(Error::NotYet {
                        side: Side::Source,
                        what: format!(
                            "{} could not be locked for {} s",
                            want.object,
                            LOCK_PATIENCE.as_secs()
                        ),
                        hint: "a long transaction writes to it; run this again when it has ended"
                            .to_owned(),
                    });
                }
                if pause > Duration::from_secs(1) {
                    watch.say(&format!("{} is busy, trying again", want.object));
                }
                let table = std::slice::from_ref(&want.object);
                wait.set_next(session, table, Holders::Waited)?;
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            Err(error) => {
                return Err(error
                    .with_context(format!("adding {} to set {}", want.object, want.set))
                    .into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_all_the_way() {
        let want = MemberToAdd {
            set: "default",
            object: QualifiedName::new("Shop", "We'ird \"T"),
        };
        assert_eq!(
            want.sql(),
            "SELECT pglogical.replication_set_add_table(set_name := 'default', relation := \
             '\"Shop\".\"We''ird \"\"T\"'::regclass, synchronize_data := false)"
        );
    }

    #[test]
    fn the_old_server_needs_its_origins_first() {
        assert_eq!(extension_sql(pgl_core::ServerVersion(90_426)).len(), 2);
        assert_eq!(extension_sql(pgl_core::ServerVersion(130_016)).len(), 1);
    }
}
