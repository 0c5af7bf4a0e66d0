//! The switch of the demo's database under load: for how long clients could not write, as probes saw it
//! that know nothing of the tool; against the same switch made by hand with pglogical's functions.
//!
//! Probes list both servers and go to whichever takes writes: one as an ordinary role, one as a role that
//! overrides the read-only setting, one through pgbouncer. By hand the target is open all the time, so
//! the probe there is sent to it when the last statement is done. Every run is held against the ledger of
//! what the writers were promised.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{self, Load, Pause, Probe, Writers};
use pgl_testkit::{Bouncer, PairDb, Server, Tool};

use super::release_binary;
use crate::run::{root, say};

const PAIRS: [(u16, u16); 2] = [(13, 17), (15, 18)];
const WORKERS: u32 = 8;
/// Between two transactions of one writer.
const PACE: Duration = Duration::from_millis(20);
/// By hand once in so many runs.
const BY_HAND: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(120);

struct Tools {
    setup: PathBuf,
    cutover: PathBuf,
}

/// What all runs have given, in seconds.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<f64>>);

impl Seen {
    fn add(&mut self, what: &str, seconds: f64) {
        self.0.entry(what.to_owned()).or_default().push(seconds);
    }

    fn report(&mut self) {
        for (what, all) in &mut self.0 {
            all.sort_by(f64::total_cmp);
            say(&format!(
                "{what:<34} {:>4} runs  median {:>6.3} s  95th {:>6.3} s  max {:>6.3} s",
                all.len(),
                at(all, 50),
                at(all, 95),
                at(all, 100)
            ));
        }
        let median = |name: &str| self.0.get(name).map(|all| at(all, 50));
        if let (Some(ours), Some(peer)) = (median(PROBES[0]), median(HAND)) {
            say(&format!(
                "ratio of the medians, by hand to pgl-cutover: {:.1}",
                peer / ours
            ));
        }
    }
}

/// The smallest value that so many percent of all do not exceed.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

const PROBES: [&str; 3] = [
    "probe, ordinary role",
    "probe, role with an override",
    "probe, through pgbouncer",
];
const HAND: &str = "by hand: probe, ordinary role";

pub(crate) fn main(runs: u32) -> Result<()> {
    let tools = Tools {
        setup: release_binary("pgl-setup")?,
        cutover: release_binary("pgl-cutover")?,
    };
    for (number, (source, target)) in PAIRS.into_iter().enumerate() {
        let share = (runs + 1 - u32::try_from(number)?) / 2;
        if share == 0 {
            continue;
        }
        say(&format!(
            "PostgreSQL {source} → {target}, the demo's database, {WORKERS} writers of two roles, {} ms between their transactions",
            PACE.as_millis()
        ));
        let mut seen = Seen::default();
        let mut db = PairDb::alone(source, target, "shop_0")?;
        for run in 0..share {
            ours(&db, &tools, &mut seen).with_context(|| format!("run {run}"))?;
            if run % BY_HAND == 0 {
                db = db.again(&format!("hand_{run}"))?;
                manual_steps(&db, &tools, &mut seen)
                    .with_context(|| format!("by hand, run {run}"))?;
            }
            db = db.again(&format!("shop_{}", run + 1))?;
        }
        seen.report();
    }
    Ok(())
}

/// A migration that replicates; the roles of the writers.
fn replicating(db: &PairDb, tools: &Tools) -> Result<[String; 2]> {
    db.on_source(include_str!("../demo/shop.sql"))?;
    db.on_source(load::SCHEMA)?;
    let roles = [db.role("app"), db.role("batch")];
    for cluster in [db.source(), db.target()] {
        cluster.sql(
            db.name(),
            &format!(
                "CREATE ROLE \"{}\" LOGIN; CREATE ROLE \"{1}\" LOGIN;
                 ALTER ROLE \"{1}\" SET default_transaction_read_only = off",
                roles[0], roles[1]
            ),
        )?;
    }
    let newest = db.source().major().max(db.target().major());
    Tool::new(&tools.setup)
        .envs(db.env())
        .env("PGL_PG_BINDIR", Server::require(newest)?.client_dir()?)
        .run()?
        .expect(0)?;
    Ok(roles)
}

fn either(db: &PairDb, role: &str) -> String {
    format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user={role} dbname={} target_session_attrs=read-write",
        db.source().port(),
        db.target().port(),
        db.name()
    )
}

fn load(dsns: &[String]) -> Result<Writers> {
    let writers = Load::new().workers(WORKERS).pace(PACE).start(dsns)?;
    writers.wait_for(400, PATIENCE)?;
    Ok(writers)
}

fn ended(probe: Probe, db: &PairDb) -> Result<Pause> {
    let pause = probe.stop()?;
    let missing = pause.missing(&mut db.target_client()?)?;
    ensure!(
        missing == 0,
        "{missing} acknowledged writes of a probe are missing"
    );
    Ok(pause)
}

fn ours(db: &PairDb, tools: &Tools, seen: &mut Seen) -> Result<()> {
    let roles = replicating(db, tools)?;
    let bouncer = Bouncer::start(db.source(), db.name(), &roles[0], "session")?;
    let probes = [
        Probe::start(&either(db, &roles[0])),
        Probe::start_from(&either(db, &roles[1]), 1_000_000_000),
        Probe::start_from(&bouncer.dsn(&roles[0]), 2_000_000_000),
    ];
    let writers = load(&roles.each_ref().map(|role| either(db, role)))?;
    let hook: PathBuf = root().join("scripts/hooks/pgbouncer.sh");
    let document = Tool::new(&tools.cutover)
        .envs(db.env())
        .args(["--yes", "--hook-promoted"])
        .arg(format!("'{}' switch", hook.display()))
        .envs(bouncer.hook_env(db.target(), &roles[0]))
        .run()?
        .expect(0)?
        .json()?;
    writers.wait_for(200, PATIENCE)?;
    for (name, probe) in PROBES.into_iter().zip(probes) {
        seen.add(name, ended(probe, db)?.longest.as_secs_f64());
    }
    writers.stop()?.check(&mut db.target_client()?)?;
    let said = document["pause_seconds"].as_f64().context("no pause")?;
    seen.add("pgl-cutover's own figure", said);
    for phase in document["phases"].as_array().context("no phases")? {
        if phase["in_pause"] == true
            && let (Some(id), Some(seconds)) = (phase["id"].as_str(), phase["seconds"].as_f64())
        {
            seen.add(&format!("  phase {id}"), seconds);
        }
    }
    Ok(())
}

/// Stops the writes of the database, waits as pglogical's function does, carries over sequences and what
/// has no key, and drops the subscription.
fn manual_steps(db: &PairDb, tools: &Tools, seen: &mut Seen) -> Result<()> {
    let [app, _] = replicating(db, tools)?;
    let (source, target) = (
        db.source().dsn_as(&app, db.name()),
        db.target().dsn_as(&app, db.name()),
    );
    let probe = Probe::start(&source);
    let writers = load(std::slice::from_ref(&source))?;
    let mut old = db.source_client()?;
    let mut new = db.target_client()?;
    let subscription: String = new
        .query_one("SELECT sub_name::text FROM pglogical.subscription", &[])?
        .get(0);
    let started = Instant::now();
    old.batch_execute(&format!(
        "ALTER DATABASE \"{}\" SET default_transaction_read_only = on;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        db.name()
    ))?;
    old.query("SELECT pglogical.wait_slot_confirm_lsn(NULL, NULL)", &[])?;
    let mut rows = String::new();
    std::io::Read::read_to_string(&mut old.copy_out("COPY shop.visit TO STDOUT")?, &mut rows)?;
    new.batch_execute("TRUNCATE shop.visit")?;
    let mut into = new.copy_in("COPY shop.visit FROM STDIN")?;
    std::io::Write::write_all(&mut into, rows.as_bytes())?;
    into.finish()?;
    let values = old.query(
        "SELECT format('SELECT setval(%L, %s, true)', quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value)
           FROM pg_sequences WHERE last_value IS NOT NULL AND schemaname <> 'pglogical'",
        &[],
    )?;
    for row in values {
        new.batch_execute(row.get(0))?;
    }
    new.query(
        "SELECT pglogical.drop_subscription($1::text::name)",
        &[&subscription],
    )?;
    probe.redirect(&target);
    writers.redirect(std::slice::from_ref(&target));
    // A session that is merely read-only stays where it is.
    old.batch_execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )?;
    seen.add(
        "by hand: first to last statement",
        started.elapsed().as_secs_f64(),
    );
    writers.wait_for(200, PATIENCE)?;
    seen.add(HAND, ended(probe, db)?.longest.as_secs_f64());
    writers.stop()?.check(&mut db.target_client()?)
}
