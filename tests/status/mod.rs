//! `pgl-status` on real pairs: states, lag, waiting, forms, and each failure planted and diagnosed.
//!
//! pglogical is set up by hand here: half of these states are ones that pgl-setup never leaves.

mod apply;
mod live;
mod servers;
mod setup;
mod truth;

use crate::common::Documented;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pgl_testkit::{Cluster, ClusterOptions, Outcome, Pair, PairDb, Tool, shared_pair};
use serde_json::Value;

const PINS: &str = "options=''-c extra_float_digits=3 -c datestyle=ISO -c intervalstyle=postgres''";
const SOON: Duration = Duration::from_secs(60);

fn status(env: Vec<(String, String)>) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(env)
        .args(["--subscription", "moving"])
}

fn of(db: &PairDb) -> Tool {
    status(db.env())
}

/// Servers whose logs a superuser can read through SQL.
fn logged(source: u16, target: u16) -> Result<Pair> {
    let options = || {
        ClusterOptions::new()
            .set("logging_collector", "on")
            .set("log_filename", "server.log")
    };
    Pair::start_with(source, options(), target, options())
}

/// Both sides of one migration, made by hand.
struct Lab<'a> {
    source: &'a Cluster,
    target: &'a Cluster,
    db: &'a str,
}

impl<'a> Lab<'a> {
    fn shared(db: &'a PairDb) -> Self {
        Self {
            source: db.source(),
            target: db.target(),
            db: db.name(),
        }
    }

    fn own(pair: &'a Pair, db: &'a str) -> Result<Self> {
        pair.createdb(db)?;
        Ok(Self {
            source: &pair.source,
            target: &pair.target,
            db,
        })
    }

    fn on_source(&self, sql: &str) -> Result<()> {
        self.source.sql(self.db, sql).map(drop)
    }

    fn on_target(&self, sql: &str) -> Result<()> {
        self.target.sql(self.db, sql).map(drop)
    }

    /// Nodes on both sides, and these tables in the default set.
    fn nodes(&self, schema: &str, tables: &[&str]) -> Result<()> {
        self.on_source(schema)?;
        self.on_target(schema)?;
        self.on_source("CREATE EXTENSION pglogical")?;
        self.on_target("CREATE EXTENSION pglogical")?;
        self.on_source(&format!(
            "SELECT pglogical.create_node('old', '{}')",
            self.source.dsn(self.db)
        ))?;
        for table in tables {
            self.on_source(&format!(
                "SELECT pglogical.replication_set_add_table('default', '{table}')"
            ))?;
        }
        self.on_target(&format!(
            "SELECT pglogical.create_node('new', '{}')",
            self.target.dsn(self.db)
        ))
    }

    fn subscribe_with(&self, dsn: &str, data: bool) -> Result<()> {
        self.on_target(&format!(
            "SELECT pglogical.create_subscription('moving', '{dsn}', \
             ARRAY['default','default_insert_only','ddl_sql'], false, {data})"
        ))
    }

    /// A subscription as it should be.
    fn subscribe(&self) -> Result<()> {
        self.subscribe_with(&format!("{} {PINS}", self.source.dsn(self.db)), true)
    }

    fn replicating(&self) -> Result<()> {
        self.state("replicating")
    }

    fn state(&self, wanted: &str) -> Result<()> {
        self.target.wait_until(
            self.db,
            &format!(
                "SELECT status = '{wanted}' FROM pglogical.show_subscription_status('moving')"
            ),
            SOON,
        )
    }

    /// Kicks until it replicates again: after a repair pglogical waits up to three minutes.
    fn mend(&self, repair: &str) -> Result<()> {
        self.on_target(repair)?;
        let until = Instant::now() + SOON;
        loop {
            self.on_target("SELECT pglogical.alter_subscription_enable('moving')")?;
            std::thread::sleep(Duration::from_millis(500));
            let state = self.target.value(
                self.db,
                "SELECT status FROM pglogical.show_subscription_status('moving')",
            )?;
            if state == "replicating" {
                return Ok(());
            }
            ensure!(Instant::now() < until, "not mended by {repair}: {state}");
        }
    }

    /// The apply worker stands at a lock of somebody else.
    fn apply_waits_for_a_lock(&self) -> Result<()> {
        self.target.wait_until(
            self.db,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'pglogical apply%' AND wait_event_type = 'Lock'",
            SOON,
        )
    }

    /// Everything that the source has written is applied.
    fn drained(&self) -> Result<()> {
        let lsn = self
            .source
            .value(self.db, "SELECT pg_current_wal_insert_lsn()")?;
        self.source.wait_until(
            self.db,
            &format!(
                "SELECT bool_and(confirmed_flush_lsn >= '{lsn}') FROM pg_replication_slots WHERE database = current_database()"
            ),
            SOON,
        )
    }
}

const SCHEMA: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); \
                      CREATE TABLE b (id int PRIMARY KEY, a_id int)";

fn ids(document: &Value) -> Vec<&str> {
    document["causes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|cause| cause["severity"] == "block")
        .filter_map(|cause| cause["id"].as_str())
        .collect()
}

/// Reads until the cause is named, which takes as long as pglogical needs to fail.
fn diagnosed(tool: impl Fn() -> Tool, id: &str) -> Result<Value> {
    diagnosed_as(tool, id, None)
}

/// The same, with this certainty: what the catalogs show is likely before the worker has failed of it.
fn diagnosed_as(tool: impl Fn() -> Tool, id: &str, certainty: Option<&str>) -> Result<Value> {
    let until = Instant::now() + SOON;
    loop {
        let outcome = tool().run()?;
        ensure!(
            matches!(outcome.code(), Some(0 | 1 | 3)),
            "{:?}\n{}",
            outcome.code(),
            outcome.stderr
        );
        let document = outcome.document()?;
        let found = cause(&document, id).ok();
        let found =
            found.filter(|cause| certainty.is_none_or(|wanted| cause["certainty"] == wanted));
        if let Some(cause) = found {
            ensure!(
                cause["remedy"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "no remedy: {cause:#}"
            );
            ensure!(
                cause["evidence"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty()),
                "no evidence: {cause:#}"
            );
            assert_eq!(document["healthy"], false);
            return Ok(document);
        }
        if Instant::now() > until {
            bail!("{id} was not found: {document:#}");
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn cause<'a>(document: &'a Value, id: &str) -> Result<&'a Value> {
    document["causes"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["id"] == id))
        .with_context(|| format!("no cause {id} in {document:#}"))
}
