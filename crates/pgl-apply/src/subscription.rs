//! The subscription, started exactly where the slot begins.
//!
//! pglogical's own start would drop a slot of this name and make another one, and lose what was
//! committed in between. So the subscription, its state and its position are written in one
//! transaction: pglogical's manager hears of it only when that commits, and its worker finds
//! everything synchronised.

use std::time::{Duration, Instant};

pub use pgl_catalog::subscription::{Subscription, find};
use pgl_conn::{DsnOutline, DsnText, Kind, Session, field};
use pgl_core::migration::Names;
use pgl_core::plan::{Plan, Set};
use pgl_core::setup::conflicts_are_safe;
use pgl_core::{Lsn, QualifiedName, Side, plural, quote_literal, redact};

use crate::control::Observer;
use crate::unlogged::unlogged;
use crate::{Done, Error, Watch};

/// Replication sets that a subscription follows: pglogical's three, so that
/// `replicate_ddl_command` works as its documentation says.
pub const SETS: [&str; 3] = ["default", "default_insert_only", "ddl_sql"];

/// Output settings for the connection over which changes travel. pglogical leaves them to the
/// source's defaults, and changes floats, dates and intervals in silence where those differ. Names it takes as bytes of the
/// encoding of the subscriber's database, whatever the provider's database has as its clients' encoding.
pub fn pinned(subscriber_encoding: &str) -> [(&'static str, &str); 4] {
    [
        ("extra_float_digits", "3"),
        ("datestyle", "ISO"),
        ("intervalstyle", "postgres"),
        ("client_encoding", subscriber_encoding),
    ]
}

/// What to say of the connection string of an option that pglogical stores on a side, where a password is in it.
///
/// # Errors
/// Those of [`DsnOutline::read`].
pub fn stored_password(
    option: &str,
    on: Side,
    dsn: &DsnText,
) -> Result<Option<String>, pgl_conn::Error> {
    let outline = DsnOutline::read(on, dsn).map_err(|error| error.with_context(option))?;
    let stored = outline.password.is_some();
    Ok(stored.then(|| {
        format!(
            "pglogical stores a password in pglogical.node_interface on the {on}, until pgl-teardown: superusers and roles that may read that \
             table see it. Without it: {option} with passfile=, a file of the {on}'s server"
        )
    }))
}

/// Where the provider DSN stands in the first statement: it is passed as a parameter, so that no
/// log of statements shows it.
pub const DSN: &str = "$1::text";

/// The statement that subscribes.
pub fn create_sql(names: &Names, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| quote_literal(set)).collect();
    format!(
        "SELECT pglogical.create_subscription(subscription_name := {}, provider_dsn := {DSN}, \
         replication_sets := ARRAY[{}]::text[], synchronize_structure := false, synchronize_data := false, \
         forward_origins := '{{}}')",
        quote_literal(&names.subscription),
        sets.join(", ")
    )
}

/// A write to `pglogical.local_sync_status` that also passes where a publication covers that table.
///
/// It has no primary key, so under FOR ALL TABLES (or a publication of schema pglogical) the server
/// refuses UPDATE and DELETE on it. pglogical's own writes are below that check (seen on 15). The
/// table's replica identity is FULL for this one statement, and only where it is the default and is
/// published; that needs its owner. Servers before 10 have no publications.
pub fn although_published(sql: &str) -> String {
    let body = format!(
        "DECLARE published boolean := false;\n\
         BEGIN\n\
         IF to_regclass('pg_catalog.pg_publication_tables') IS NOT NULL THEN\n  \
         published := EXISTS (SELECT FROM pg_catalog.pg_publication_tables p, pg_catalog.pg_class c\n    \
         WHERE p.schemaname = 'pglogical' AND p.tablename = 'local_sync_status'\n      \
         AND c.oid = 'pglogical.local_sync_status'::regclass AND c.relreplident = 'd');\n\
         END IF;\n\
         IF published THEN ALTER TABLE pglogical.local_sync_status REPLICA IDENTITY FULL; END IF;\n\
         {sql};\n\
         IF published THEN ALTER TABLE pglogical.local_sync_status REPLICA IDENTITY DEFAULT; END IF;\n\
         END"
    );
    format!("DO {}", quote_literal(&body))
}

/// The statements of the one transaction. The first takes the provider DSN as its parameter.
pub fn statements(names: &Names, slot: &str, lsn: &str, tables: &[QualifiedName]) -> Vec<String> {
    let (name, slot, lsn) = (
        quote_literal(&names.subscription),
        quote_literal(slot),
        quote_literal(lsn),
    );
    let mut all = vec![
        create_sql(names, &SETS),
        although_published(&format!(
            "UPDATE pglogical.local_sync_status SET sync_status = 'r', sync_statuslsn = {lsn}\n \
             WHERE sync_relname IS NULL\n   AND sync_subid = (SELECT sub_id FROM pglogical.subscription WHERE sub_name = {name})"
        )),
        // One that a dropped extension has left is taken over, and moved.
        format!(
            "SELECT pg_catalog.pg_replication_origin_create({slot}) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_origin WHERE roname = {slot})"
        ),
        format!("SELECT pg_catalog.pg_replication_origin_advance({slot}, {lsn})"),
    ];
    for chunk in tables.chunks(500) {
        let rows: Vec<String> = chunk
            .iter()
            .map(|table| {
                format!(
                    "({}, {})",
                    quote_literal(&table.schema),
                    quote_literal(&table.name)
                )
            })
            .collect();
        all.push(format!(
            "INSERT INTO pglogical.local_sync_status (sync_kind, sync_subid, sync_nspname, sync_relname, sync_status, sync_statuslsn)\n\
             SELECT 'f', sub_id, v.n::name, v.t::name, 'r', {lsn}\n  FROM pglogical.subscription, (VALUES {}) AS v(n, t)\n WHERE sub_name = {name}",
            rows.join(", ")
        ));
    }
    all
}

/// What has to hold before anything is applied.
///
/// # Errors
/// The server's, and a refusal for each thing that would lose changes or stop the worker.
pub fn check(target: &mut Session, plan: &Plan) -> Result<(), Error> {
    let row = target.query_one(
        "SELECT COALESCE(current_setting('pglogical.conflict_resolution', true), 'apply_remote'),
                COALESCE(current_setting('track_commit_timestamp', true), 'off') = 'on'",
        &[],
    )?;
    let setting = "how pglogical resolves conflicts";
    let resolution: String = field(Side::Target, &row, 0, setting)?;
    let timestamps: bool = field(Side::Target, &row, 1, setting)?;
    if !conflicts_are_safe(&resolution, timestamps) {
        return Err(Error::refused(
            Side::Target,
            format!(
                "pglogical.conflict_resolution is {resolution} and track_commit_timestamp is {}: replicated updates of copied rows would be discarded or stop the worker",
                if timestamps { "on" } else { "off" }
            ),
            "ALTER SYSTEM SET pglogical.conflict_resolution = 'apply_remote'; SELECT pg_reload_conf();",
        ));
    }
    let loud = pgl_catalog::setup::loud_triggers(target)?;
    if let Some(first) = loud.first() {
        return Err(Error::refused(
            Side::Target,
            format!(
                "{} would fire for replicated rows, the first is {}",
                plural(loud.len(), "trigger"),
                first.name
            ),
            "run pgl-setup --step target.triggers: it disables them until the cutover",
        ));
    }
    let wanted: Vec<QualifiedName> = plan
        .tables
        .iter()
        .filter(|table| table.set == Set::Default)
        .map(|table| table.qualified())
        .collect();
    let (schemas, names) = QualifiedName::split(&wanted);
    let without: Vec<QualifiedName> = pgl_catalog::rows(
        target,
        include_str!("../sql/unidentified.sql"),
        &[&schemas, &names],
    )?;
    if let Some(first) = without.first() {
        return Err(Error::refused(
            Side::Target,
            format!(
                "without a primary key or replica identity on the target: {}, the first is {first}",
                plural(without.len(), "table")
            ),
            "run pgl-setup --step target.keys, or create the keys of the source there",
        ));
    }
    Ok(())
}

/// Subscribes in a transaction that is rolled back: the subscriber's server connects to the provider and to itself as it
/// will later, so that a connection string that does not work is found before anything is made. `options` give the strings of both.
///
/// # Errors
/// The server's.
pub fn rehearse(
    subscriber: &mut Session,
    names: &Names,
    dsn: &DsnText,
    options: [&str; 2],
) -> Result<(), Error> {
    let sql = create_sql(names, &SETS);
    let outcome = unlogged(subscriber, |subscriber| {
        subscriber.batch("BEGIN")?;
        let tried = subscriber.query(&sql, &[dsn]);
        match &tried {
            Err(error) if error.is_lost() => {}
            _ => subscriber.rollback()?,
        }
        tried.map(drop)
    });
    outcome.map_err(|error| not_connected(error, dsn, options).into())
}

/// What pglogical says where it does not reach a server, with the option that gave the string.
fn not_connected(
    error: pgl_conn::Error,
    dsn: &DsnText,
    [provider, own]: [&str; 2],
) -> pgl_conn::Error {
    let side = error.side;
    let other = side.other();
    if error.message.contains("points to existing node") {
        let what = format!("{provider} leads to the {side} itself, not to the {other}");
        return pgl_conn::Error::new(side, Kind::Server, what);
    }
    let Some((_, reason)) = (error
        .message
        .strip_prefix("could not connect to the postgresql server"))
    .and_then(|rest| rest.split_once(": ")) else {
        let to = format!("to the {other} ({provider}) and to itself ({own})");
        return error.with_context(format!(
            "connecting from the {side}'s server as pglogical will, {to}"
        ));
    };
    let words: Vec<&str> = reason.split_whitespace().collect();
    let tried = (error.detail.as_deref()).and_then(|detail| detail.strip_prefix("dsn was:"));
    let given = redact(dsn.expose_str().unwrap_or_default());
    let (option, to) = match tried.is_none_or(|tried| tried.trim() == given.trim()) {
        true => (provider, format!("the {other}")),
        false => (own, "itself".to_owned()),
    };
    pgl_conn::Error::new(
        side,
        Kind::Server,
        format!(
            "the {side}'s server cannot connect to {to} with {option}: {}",
            words.join(" ")
        ),
    )
    .with_hint(format!(
        "{option} is read on the {side}'s server: check its host, port, dbname and user as seen from there, a passfile there, and pg_hba.conf of the server that it names"
    ))
}

/// Subscribes at the slot's position.
///
/// # Errors
/// The server's; what the target's server said about reaching the source is among them.
pub fn create(
    target: &mut Session,
    names: &Names,
    dsn: &DsnText,
    slot: &str,
    lsn: Lsn,
    tables: &[QualifiedName],
) -> Result<Done, Error> {
    let sql = statements(names, slot, &lsn.to_string(), tables);
    let outcome = unlogged(target, |target| {
        let done = in_one(target, &sql, dsn);
        match &done {
            Err(error) if !error.is_lost() => target.rollback().and(done),
            _ => done,
        }
    });
    if let Err(error) = outcome {
        return Err(error
            .with_context(format!("subscribing {}", names.subscription))
            .into());
    }
    Ok(Done::Changed(format!(
        "subscription {} starts at {lsn}",
        names.subscription
    )))
}

/// The statements in one transaction; the first one takes the connection string.
fn in_one(target: &mut Session, sql: &[String], dsn: &DsnText) -> Result<(), pgl_conn::Error> {
    target.batch("BEGIN")?;
    for (n, statement) in sql.iter().enumerate() {
        if n == 0 {
            target.query(statement, &[dsn])?;
        } else {
            target.batch(statement)?;
        }
    }
    target.commit()
}

/// What pglogical says of a subscription in one word. `replicating` only means that a process
/// exists.
///
/// # Errors
/// The server's.
pub fn status(target: &mut Session, name: &str) -> Result<String, pgl_conn::Error> {
    let found: Option<Option<String>> = target.value_opt(
        "SELECT status::text FROM pglogical.show_subscription_status($1::text::name)",
        &[&name],
        "the state of the subscription",
    )?;
    Ok(found.flatten().unwrap_or_default())
}

/// Wakes pglogical's manager, which may sleep for minutes after a failure.
///
/// # Errors
/// The server's.
pub fn kick(target: &mut Session, name: &str) -> Result<(), pgl_conn::Error> {
    target
        .query(
            "SELECT pglogical.alter_subscription_enable($1::text::name)",
            &[&name],
        )
        .map(drop)
}

/// Waits until the worker runs and has stayed for a moment. pglogical may take minutes to notice a
/// new subscription when its manager was just starting; enabling it again wakes the manager.
///
/// # Errors
/// [`Error::NotYet`] when it does not come up; a refusal with the cause where it never will.
pub fn wait_running(
    source: &mut Session,
    target: &mut Session,
    name: &str,
    limit: Duration,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let mut observer = Observer::new(name);
    wait_running_unless(target, name, limit, watch, &mut |target| {
        observer.look(source, target)
    })
}

/// Likewise; ends where `look` knows why it will never run.
///
/// # Errors
/// Likewise, and a refusal with the cause.
pub fn wait_running_unless(
    target: &mut Session,
    name: &str,
    limit: Duration,
    watch: &dyn Watch,
    look: &mut dyn FnMut(&mut Session) -> Result<(), Error>,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut kicked = Instant::now();
    let mut good = 0;
    let mut pid = None;
    loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        let row = target.query_opt(
            "SELECT s.status::text,
                    (SELECT max(a.pid) FROM pg_stat_activity a, pglogical.subscription p
                      WHERE p.sub_name = $1::text
                        AND a.client_port IS NULL
                        AND a.application_name = format('pglogical apply %s:%s', a.datid, p.sub_id))
               FROM pglogical.show_subscription_status($1::text::name) s",
            &[&name],
        )?;
        let state = "the state of the subscription";
        let (status, worker): (String, Option<i32>) = match row {
            None => (String::new(), None),
            Some(row) => (
                field::<Option<String>>(Side::Target, &row, 0, state)?.unwrap_or_default(),
                field(Side::Target, &row, 1, state)?,
            ),
        };
        if status == "replicating" && (pid.is_none() || pid == worker) {
            good += 1;
        } else {
            good = 0;
        }
        pid = worker;
        if good >= 3 {
            return Ok(());
        }
        if status != "replicating" {
            look(target)?;
        }
        if started.elapsed() > limit {
            return Err(Error::NotYet {
                side: Side::Target,
                what: format!(
                    "subscription {name} is {status} after {} s",
                    limit.as_secs()
                ),
                hint: "pgl-status reports why".to_owned(),
            });
        }
        if status == "down" && kicked.elapsed() > Duration::from_secs(6) {
            kick(target, name)?;
            kicked = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_transaction_sets_the_state_before_the_worker_can_look() {
        let tables = [QualifiedName::new("S", "a'b")];
        let all = statements(&Names::of("x"), "pgl_a_b_c", "0/16B3748", &tables);
        assert!(all[0].contains("provider_dsn := $1::text"), "{}", all[0]);
        assert!(all[0].contains("synchronize_data := false"));
        assert!(all[1].contains("sync_status = ''r''"), "{}", all[1]);
        assert!(all[2].contains("pg_replication_origin_create('pgl_a_b_c')"));
        assert!(all[4].contains("('S', 'a''b')"));
        assert!(all.iter().all(|sql| !sql.contains("COMMIT")));
    }
}
