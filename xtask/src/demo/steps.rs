//! The story, in order.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pgl_testkit::dump_ordered;
use pgl_testkit::load::{self, Load, Probe};

use super::Step;
use super::stage::{DATABASE, Stage};

pub(super) fn all() -> Vec<Step> {
    vec![
        Step {
            title: "Two servers",
            tells: "A source with a database in use, and an empty target of a newer version.",
            act: servers,
        },
        Step {
            title: "A shop",
            tells: "With a table without primary key, a generated column, an unlogged table: each of them\n\
                    goes wrong in a way of its own.",
            act: shop,
        },
        Step {
            title: "Customers",
            tells: "Six sessions of two roles write, and keep a ledger of every transaction that the server acknowledged.",
            act: customers,
        },
        Step {
            title: "What would go wrong?",
            tells: "pgl-preflight reads both servers, changes nothing, and names what has to be mended first.",
            act: preflight,
        },
        Step {
            title: "Setting up",
            tells: "pgl-setup makes the schema, copies every table under one snapshot while the customers write,\n\
                    builds the indexes, and lets the changes follow from exactly that snapshot on.",
            act: setup,
        },
        Step {
            title: "Catching up",
            tells: "pgl-status waits until the target has applied what the source has committed, and says how far it is.",
            act: catch_up,
        },
        Step {
            title: "Are the rows the same?",
            tells: "pgl-verify compares both sides by what PostgreSQL stores, while the customers go on writing.",
            act: verify,
        },
        Step {
            title: "A rehearsal",
            tells: "Everything but the promotion: writes are blocked, the target gets the rest, and\n\
                    all is rolled back. It tells how long the pause will be.",
            act: rehearsal,
        },
        Step {
            title: "The cutover",
            tells: "pgl-cutover makes it, with reverse replication prepared. The customers know both servers and go where writes\n\
                    are taken; a probe that knows nothing of the tools measures for how long nobody took any.",
            act: switch,
        },
        Step {
            title: "What was promised is there",
            tells: "The customers stop. Their ledger of acknowledged transactions is held against the target, row by\n\
                    row; then both databases are read in full and in order, by other means than the tools'.",
            act: reckoning,
        },
        Step {
            title: "Nothing is left behind",
            tells: "Everything of the migration goes: subscriptions, slots, nodes, the extension. The former source stays read-only.",
            act: teardown,
        },
    ]
}

fn servers(stage: &mut Stage) -> Result<()> {
    for (role, cluster) in [
        ("source", &stage.pair.source),
        ("target", &stage.pair.target),
    ] {
        let server = cluster.server();
        stage.tell(&format!(
            "     {role}: PostgreSQL {}, pglogical {}, port {}",
            server.version(),
            server.pglogical().unwrap_or("none"),
            cluster.port()
        ))?;
        cluster.sql(
            DATABASE,
            "CREATE ROLE shop_web LOGIN; CREATE ROLE shop_batch LOGIN",
        )?;
    }
    Ok(())
}

fn shop(stage: &mut Stage) -> Result<()> {
    let major = stage.pair.source.major();
    stage.pair.source.sql(DATABASE, &schema(major))?;
    stage.pair.source.sql(DATABASE, load::SCHEMA)?;
    let tables = stage.pair.source.value(
        DATABASE,
        "SELECT string_agg(relname || ' (' || reltuples::bigint || ' rows)', ', ' ORDER BY relname) \
         FROM pg_class WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'shop')",
    )?;
    stage.tell(&format!("     {tables}"))
}

fn customers(stage: &mut Stage) -> Result<()> {
    let writers = Load::new()
        .workers(6)
        .pace(Duration::from_millis(10))
        .start(&[stage.anywhere("shop_web"), stage.anywhere("shop_batch")])?;
    writers.wait_for(200, Duration::from_secs(30))?;
    stage.tell(&format!(
        "     {} transactions so far, and they go on",
        writers.committed()
    ))?;
    stage.writers = Some(writers);
    Ok(())
}

fn preflight(stage: &mut Stage) -> Result<()> {
    stage.run("pgl-preflight", &["--format", "text"], &[0])?;
    stage.write("pgl-preflight", &["--format", "json"], PLAN)
}

/// The document that the later tools are given.
const PLAN: &str = "plan.json";

fn setup(stage: &mut Stage) -> Result<()> {
    let args = ["--plan", PLAN, "--format", "text"];
    stage.run("pgl-setup", &args, &[0]).map(drop)
}

fn catch_up(stage: &mut Stage) -> Result<()> {
    let args = [
        "--plan",
        PLAN,
        "--wait-for",
        "caught-up",
        "--timeout",
        "2m",
        "--format",
        "text",
    ];
    stage.run("pgl-status", &args, &[0]).map(drop)
}

fn verify(stage: &mut Stage) -> Result<()> {
    let args = ["--plan", PLAN, "--format", "text"];
    stage.run("pgl-verify", &args, &[0]).map(drop)
}

fn rehearsal(stage: &mut Stage) -> Result<()> {
    let args = ["rehearse", "--plan", PLAN, "--yes", "--format", "text"];
    stage.run("pgl-cutover", &args, &[0]).map(drop)
}

fn switch(stage: &mut Stage) -> Result<()> {
    let writers = stage.writers.take().context("nobody writes")?;
    let probe = Probe::start(&stage.anywhere("shop_web"));
    writers.wait_for(100, Duration::from_secs(30))?;
    let mut args = vec!["--plan", PLAN, "--reverse", "--yes", "--format", "text"];
    args.retain(|arg| *arg != "--reverse" || stage.has_way_back());
    stage.run("pgl-cutover", &args, &[0])?;
    writers.wait_for(200, Duration::from_secs(30))?;
    let pause = probe.stop()?;
    let lost = pause.missing(&mut stage.pair.target.client(DATABASE)?)?;
    if lost > 0 {
        bail!("{lost} writes of the probe were acknowledged and are not on the target");
    }
    stage.tell(&format!(
        "     the probe could not write for {} ms; it wrote {} rows, usually one in {:.1} ms, and all of them\n     \
         are on the target",
        pause.longest.as_millis(),
        pause.writes,
        pause.usual.as_secs_f64() * 1000.0
    ))?;
    stage.writers = Some(writers);
    Ok(())
}

fn reckoning(stage: &mut Stage) -> Result<()> {
    let ledger = stage.writers.take().context("nobody writes")?.stop()?;
    ledger.check(&mut stage.pair.target.client(DATABASE)?)?;
    stage.tell(&format!(
        "     all {} acknowledged transactions are on the target, written before and after the cutover",
        ledger.acknowledged()
    ))?;
    if !stage.has_way_back() {
        return stage.tell(
            "     nothing is replicated back to a source of 9.4: it stays as it was at the cutover",
        );
    }
    // Reverse replication replicates what was written since: the former source has to become the same.
    let suite = ["pgl"];
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let source = dump_ordered(&mut stage.pair.source.client(DATABASE)?, &suite)?;
        let target = dump_ordered(&mut stage.pair.target.client(DATABASE)?, &suite)?;
        let differences = source.table_differences(&target);
        if differences.is_empty() {
            return stage.tell(&format!(
                "     {} tables were read in full on both sides, and are the same; the former source follows the target",
                source.tables.len()
            ));
        }
        if Instant::now() > until {
            bail!("the two databases differ: {}", differences.join("; "));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn teardown(stage: &mut Stage) -> Result<()> {
    let args = ["--plan", PLAN, "--yes", "--format", "text"];
    stage.run("pgl-teardown", &args, &[0]).map(drop)
}

/// The shop's schema and rows, in the words of a server of this major: generated columns came with 12, identities
/// with 10.
fn schema(major: u16) -> String {
    let mut sql = include_str!("shop.sql").to_owned();
    let newer = [
        (
            12,
            ",\n    gross numeric(10, 2) GENERATED ALWAYS AS (net * 1.19) STORED",
            "",
        ),
        (10, "integer GENERATED ALWAYS AS IDENTITY", "serial"),
    ];
    for (since, new, old) in newer {
        if major < since {
            sql = sql.replace(new, old);
        }
    }
    sql
}
