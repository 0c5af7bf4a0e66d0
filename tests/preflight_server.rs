//! The server-wide half of preflight on real servers: what is collected, and what is found when a
//! hazard is planted.
//!
//! The facts are read as the tool reads them; the rules are run on them with the objects' facts
//! left out, which their own tests look at.

mod rights;
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_catalog::link::{LinkOptions, ServerProbe};
use pgl_catalog::{link, migration_record, server};
use pgl_conn::{Access, DsnText, Endpoint, Environment, OnPooler, Session, SessionOptions};
use pgl_core::facts::link::{Probe, Reach, ReplicationLogin};
use pgl_core::facts::server::ServerState;
use pgl_core::facts::{Asked, Facts, Section, ServerFacts};
use pgl_core::migration::Names;
use pgl_core::rules;
use pgl_core::{Finding, Severity, Side};
use pgl_testkit::{Cluster, ClusterOptions, Pair, Server, shared_pair};

fn connect(side: Side, dsn: &str) -> Result<Session> {
    let endpoint = Endpoint::resolve(side, Some(dsn.as_ref()), &Environment::bare())?;
    let options = SessionOptions::new("preflight", Access::ReadOnly).pooler(OnPooler::Report);
    Ok(Session::connect(&endpoint, &options)?)
}

/// Facts of both sides, as preflight collects them.
fn facts(source: &str, target: &str) -> Result<Facts> {
    facts_by(source, target, None, ServerProbe::RolledBackSubscription)
}

fn facts_by(
    source: &str,
    target: &str,
    provider: Option<&str>,
    probe: ServerProbe,
) -> Result<Facts> {
    let mut from = connect(Side::Source, source)?;
    let mut to = connect(Side::Target, target)?;
    let provider = provider.map(DsnText::new);
    let newest = Server::require(18)?.client_dir()?;
    let options = LinkOptions {
        tool: "preflight",
        provider_dsn: provider.as_ref(),
        probe,
        pg_bindir: Some(&newest),
        connections: 3,
    };
    let mut facts = Facts {
        source: ServerFacts {
            server: server::collect(&mut from)?,
            ..ServerFacts::default()
        },
        target: Some(ServerFacts {
            server: server::collect(&mut to)?,
            ..ServerFacts::default()
        }),
        link: link::collect(&mut from, Some(&mut to), &options)?,
        generated: Section::default(),
        asked: Asked::default(),
    };
    let databases = facts.migration().context("two databases")?;
    let on_target = &databases.target.context("a target")?.database;
    let databases = (&*databases.source.database, &**on_target);
    let names = Names::of(databases.0);
    facts.link.slot_names = link::slot_names(&mut from, &mut to, &names, databases)?;
    facts.source.record = Section::Known(migration_record(&mut from, databases.0)?);
    let target = facts.target.as_mut().context("a target")?;
    target.record = Section::Known(migration_record(&mut to, databases.0)?);
    Ok(facts)
}

const FAMILIES: &[&str] = &[
    "conn", "ver", "conf", "cap", "role", "repl", "act", "loc", "ext",
];

/// Findings of the server-wide families, and the checks that could not run.
fn examine(facts: &Facts) -> (Vec<Finding>, BTreeMap<&'static str, String>) {
    let mut findings = Vec::new();
    let mut not_run = BTreeMap::new();
    for check in rules::all() {
        let family = check.id.split('.').next().unwrap_or_default();
        if !FAMILIES.contains(&family) {
            continue;
        }
        if let Err(missing) = check.run(facts, &mut findings) {
            not_run.insert(check.id, missing.0);
        }
    }
    (findings, not_run)
}

/// The finding of a check on a side.
fn found<'a>(findings: &'a [Finding], id: &str, side: Side) -> Result<&'a Finding> {
    findings
        .iter()
        .find(|finding| finding.id == id && finding.side == side)
        .with_context(|| {
            let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
            format!("{id} on the {side} was not found, only {ids:?}")
        })
}

/// The reasons of the sections that could not be read.
fn unknown(state: &ServerState) -> Result<BTreeMap<String, String>> {
    let value = serde_json::to_value(state)?;
    let sections = value.as_object().context("an object")?;
    Ok(sections
        .iter()
        .filter_map(|(name, section)| {
            Some((name.clone(), section.get("unknown")?.as_str()?.to_owned()))
        })
        .collect())
}

fn above_info(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info)
        .map(|finding| {
            format!(
                "{} {} {}: {}",
                finding.severity, finding.side, finding.id, finding.what
            )
        })
        .collect()
}

fn clean_pair(from: u16, to: u16) -> Result<()> {
    // Servers of its own: roles, slots and sessions of other tests would be findings, too.
    let pair = Pair::start(from, to)?;
    pair.createdb("pfclean")?;
    pair.source
        .sql("pfclean", "CREATE TABLE t (id int PRIMARY KEY, v text)")?;
    let facts = facts(&pair.source.dsn("pfclean"), &pair.target.dsn("pfclean"))?;
    for side in [&facts.source, facts.target.as_ref().context("a target")?] {
        let unknown = unknown(&side.server)?;
        ensure!(unknown.is_empty(), "unreadable as superuser: {unknown:#?}");
    }
    let (findings, not_run) = examine(&facts);
    ensure!(not_run.is_empty(), "not run: {not_run:#?}");
    let above = above_info(&findings);
    ensure!(above.is_empty(), "{above:#?}");
    let text = serde_json::to_string(&facts)?;
    ensure!(
        serde_json::from_str::<Facts>(&text)? == facts,
        "a recording differs"
    );
    Ok(())
}

#[test]
fn a_clean_pair_of_13_and_17() -> Result<()> {
    clean_pair(13, 17)
}

#[test]
fn a_clean_pair_of_13_and_15() -> Result<()> {
    clean_pair(13, 15)
}

#[test]
fn a_clean_pair_of_15_and_18() -> Result<()> {
    clean_pair(15, 18)
}

/// Every id of a list is found on a side, at this severity.
fn all_found(findings: &[Finding], side: Side, ids: &[(&str, Severity)]) -> Result<()> {
    for (id, severity) in ids {
        let finding = found(findings, id, side)?;
        ensure!(finding.severity == *severity, "{finding:#?}");
    }
    Ok(())
}

#[test]
fn leftovers_and_clashes() -> Result<()> {
    let db = shared_pair(15, 18)?.database("pfleft")?;
    let names = Names::of(db.name());
    db.on_source("CREATE EXTENSION pglogical")?;
    db.on_source("SELECT pglogical.create_node('somebody', 'host=nowhere password=canary-99')")?;
    let slot = db.source().value(
        db.name(),
        &format!(
            "SELECT pglogical.pglogical_gen_slot_name('{}', '{}', '{}')",
            db.name(),
            names.provider_node,
            names.subscription
        ),
    )?;
    for (name, plugin) in [
        (slot.as_str(), "pglogical_output"),
        ("pfleft_other", "test_decoding"),
    ] {
        db.on_source(&format!(
            "SELECT pg_create_logical_replication_slot('{name}', '{plugin}')"
        ))?;
    }
    db.on_target(&format!("SELECT pg_replication_origin_create('{slot}')"))?;
    db.on_source("CREATE PUBLICATION everything FOR ALL TABLES")?;
    let seen = facts(&db.source_dsn(), &db.target_dsn())?;
    ensure!(
        !serde_json::to_string(&seen)?.contains("canary-99"),
        "a password in the facts"
    );
    let (findings, _) = examine(&seen);
    all_found(
        &findings,
        Side::Source,
        &[
            ("repl.pglogical_leftovers", Severity::Block),
            ("repl.slot_name_clash", Severity::Block),
            ("repl.publications", Severity::Warn),
        ],
    )?;
    let clash = found(&findings, "repl.slot_name_clash", Side::Source)?;
    ensure!(clash.object.as_deref() == Some(slot.as_str()), "{clash:#?}");
    let inactive = findings.iter().any(|finding| {
        finding.id == "repl.inactive_slots" && finding.object.as_deref() == Some("pfleft_other")
    });
    ensure!(inactive, "{findings:#?}");
    let orphan = found(&findings, "repl.origins_orphans", Side::Target)?;
    ensure!(
        orphan.object.as_deref() == Some(slot.as_str()),
        "{orphan:#?}"
    );
    // The remedies do what they say.
    db.on_target(orphan.manual_sql.as_deref().context("sql")?)?;
    for finding in &findings {
        let ours = finding.id == "repl.slot_name_clash"
            || finding.id == "repl.pglogical_leftovers"
            || finding.object.as_deref() == Some("pfleft_other");
        if let Some(sql) = finding
            .manual_sql
            .as_ref()
            .filter(|_| ours && finding.side == Side::Source)
        {
            db.on_source(sql)?;
        }
    }
    let (findings, _) = examine(&facts(&db.source_dsn(), &db.target_dsn())?);
    for id in ["repl.pglogical_leftovers", "repl.slot_name_clash"] {
        ensure!(
            found(&findings, id, Side::Source).is_err(),
            "{id} is still there"
        );
    }
    Ok(())
}

/// What is computed without the extension is what each release of it computes.
#[test]
fn slot_names_of_every_release() -> Result<()> {
    let odd = [
        "a",
        "exactly_16_bytes",
        "a_database_of_a_long_name",
        "customer_data_production_eu",
        "customer_data_production_us",
        "Ümläut und Leerzeichen",
        "ÄÖ",
        "back\\slash \"quoted\" 'x'",
        "seven7é",
    ];
    for (from, to) in [(13, 17), (15, 18)] {
        let db = shared_pair(from, to)?.database("slotnames")?;
        let mut sessions = (
            connect(Side::Source, &db.source_dsn())?,
            connect(Side::Target, &db.target_dsn())?,
        );
        for cluster in [db.source(), db.target()] {
            cluster.sql(db.name(), "CREATE EXTENSION pglogical")?;
        }
        for name in odd {
            let names = Names::of(name);
            let databases = (name, odd[3]);
            let Section::Known(seen) =
                link::slot_names(&mut sessions.0, &mut sessions.1, &names, databases)?
            else {
                anyhow::bail!("no names for {name}");
            };
            let ask = |cluster: &Cluster, database: &str, node: &str, subscription: &str| {
                let database = database.replace('\'', "''");
                cluster.value(
                    db.name(),
                    &format!("SELECT pglogical.pglogical_gen_slot_name('{database}', '{node}', '{subscription}')"),
                )
            };
            let forward = ask(
                db.target(),
                odd[3],
                &names.provider_node,
                &names.subscription,
            )?;
            let back = names.back_subscription();
            let reverse = ask(db.source(), name, &names.subscriber_node, &back)?;
            ensure!(seen.forward == forward, "{name}: {seen:?} and {forward}");
            ensure!(seen.reverse == reverse, "{name}: {seen:?} and {reverse}");
        }
    }
    Ok(())
}

#[test]
fn what_goes_on() -> Result<()> {
    let source = Cluster::start(
        17,
        ClusterOptions::new().set("max_prepared_transactions", "5"),
    )?;
    let target = Cluster::start(18, ClusterOptions::new())?;
    source.createdb("shop")?;
    target.createdb("shop")?;
    source.sql("shop", "CREATE TABLE t (id int PRIMARY KEY)")?;
    let mut writer = source.client("shop")?;
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (1)")?;
    let mut prepared = source.client("shop")?;
    prepared.batch_execute("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'odd ''gid'")?;
    let mut ddl = source.client("shop")?;
    ddl.batch_execute("begin; /* migration 7 */ ALTER ROLE postgres PASSWORD 'canary-31'")?;
    let _on_target = target.client("shop")?;
    let mut seen = facts(&source.dsn("shop"), &target.dsn("shop"))?;
    ensure!(
        !serde_json::to_string(&seen)?.contains("canary-31"),
        "a password in the facts"
    );
    // Waiting until a transaction is old is a matter of the figure alone.
    if let Section::Known(sessions) = &mut seen.source.server.sessions {
        let open = sessions
            .iter_mut()
            .filter(|session| session.has_xid && !session.own);
        for session in open {
            session.transaction_seconds = session.transaction_seconds.map(|age| age + 120.0);
            session.state_seconds = session.state_seconds.map(|age| age + 120.0);
        }
    }
    let (findings, not_run) = examine(&seen);
    ensure!(not_run.is_empty(), "{not_run:#?}");
    all_found(
        &findings,
        Side::Source,
        &[
            ("act.long_txn", Severity::Warn),
            ("act.prepared", Severity::Block),
            ("act.ddl_running", Severity::Warn),
            ("act.writers_inventory", Severity::Info),
        ],
    )?;
    found(&findings, "act.writers_on_target", Side::Target)?;
    let ddl_seen = found(&findings, "act.ddl_running", Side::Source)?;
    ensure!(ddl_seen.what.contains("ALTER ROLE"), "{ddl_seen:#?}");
    let gid = found(&findings, "act.prepared", Side::Source)?;
    source.sql("shop", gid.manual_sql.as_deref().context("sql")?)?;
    let long = found(&findings, "act.long_txn", Side::Source)?;
    source.sql("shop", long.manual_sql.as_deref().context("sql")?)?;
    Ok(())
}

#[test]
fn the_wrong_two() -> Result<()> {
    let source = Cluster::start(17, ClusterOptions::new())?;
    source.createdb("one")?;
    source.createdb("two")?;
    source.sql("two", "CREATE TABLE t (id int PRIMARY KEY)")?;
    let (findings, _) = examine(&facts(&source.dsn("one"), &source.dsn("one"))?);
    all_found(
        &findings,
        Side::Target,
        &[("conn.distinct_clusters", Severity::Block)],
    )?;
    let (findings, _) = examine(&facts(&source.dsn("one"), &source.dsn("two"))?);
    all_found(
        &findings,
        Side::Target,
        &[
            ("conn.distinct_clusters", Severity::Warn),
            ("conn.swapped", Severity::Warn),
        ],
    )?;
    let standby = source.standby(ClusterOptions::new())?;
    let target = Cluster::start(18, ClusterOptions::new())?;
    let seen = facts(&standby.dsn("one"), &target.dsn("postgres"))?;
    let unread = unknown(&seen.source.server)?;
    ensure!(unread.is_empty(), "a standby's facts: {unread:#?}");
    let (findings, _) = examine(&seen);
    all_found(
        &findings,
        Side::Source,
        &[("conn.not_standby", Severity::Block)],
    )?;
    // A standby has the identifier of its primary and is another server all the same.
    ensure!(found(&findings, "conn.distinct_clusters", Side::Target).is_err());
    let (findings, _) = examine(&facts(&source.dsn("one"), &standby.dsn("one"))?);
    all_found(
        &findings,
        Side::Target,
        &[("conn.not_standby", Severity::Block)],
    )?;
    found(&findings, "repl.physical_standbys", Side::Source)?;
    let old = Cluster::start(13, ClusterOptions::new())?;
    let (findings, _) = examine(&facts(&target.dsn("postgres"), &old.dsn("postgres"))?);
    all_found(
        &findings,
        Side::Target,
        &[("ver.direction", Severity::Block)],
    )
}

#[test]
fn encodings_and_extensions() -> Result<()> {
    let source = Cluster::start(15, ClusterOptions::new())?;
    let target = Cluster::start(17, ClusterOptions::new())?;
    source.createdb("shop")?;
    target.sql(
        "postgres",
        "CREATE DATABASE shop ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )?;
    source.sql("shop", "CREATE EXTENSION adminpack")?;
    source.sql("shop", "CREATE EXTENSION citext")?;
    source.sql(
        "shop",
        "CREATE TABLE t (id int PRIMARY KEY, v text COLLATE \"de-x-icu\")",
    )?;
    target.sql(
        "shop",
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext",
    )?;
    let (findings, _) = examine(&facts(&source.dsn("shop"), &target.dsn("shop"))?);
    all_found(
        &findings,
        Side::Target,
        &[
            ("loc.encoding", Severity::Block),
            ("loc.db_locale", Severity::Warn),
            ("ext.name_schema_mismatch", Severity::Warn),
        ],
    )?;
    all_found(
        &findings,
        Side::Source,
        &[
            ("ext.removed", Severity::Block),
            ("ext.in_system_schema", Severity::Info),
        ],
    )
}
