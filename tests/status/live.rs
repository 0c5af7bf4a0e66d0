//! States, lag, rates, waiting and forms of a subscription that runs.

use super::*;
use crate::common::Documented;

#[test]
fn a_healthy_subscription() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("well")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.on_source("INSERT INTO a SELECT g, 'x' FROM generate_series(1, 100) g")?;

        let none = of(&db).run()?.expect(1)?.document()?;
        assert_eq!(none["state"], "missing");
        assert_eq!(ids(&none), ["subscription.missing"]);

        lab.subscribe()?;
        of(&db).args(["--wait-for", "synced"]).run()?.expect(0)?;
        let caught_up = of(&db)
            .args(["--wait-for", "caught-up"])
            .run()?
            .expect(0)?
            .document()?;
        assert_eq!(caught_up["wait"]["reached"], true);
        let document = of(&db)
            .args(["--max-lag", "10s"])
            .run()?
            .expect(0)?
            .document()?;
        assert_eq!(document["state"], "replicating");
        assert_eq!(document["safe"], true, "{document:#}");
        assert_eq!(document["tables"]["total"], 2);
        assert_eq!(document["tables"]["counts_proven"], false);
        assert_eq!(document["stream"], "streaming");
        assert_eq!(document["slot"]["active"], true);
        assert!(
            document["lag"]["source_lsn"]
                .as_str()
                .context("a string")?
                .contains('/')
        );
        assert!(document["notes"].to_string().contains("unproven"));
        let kinds: Vec<&str> = document["workers"]
            .as_array()
            .context("workers")?
            .iter()
            .filter_map(|worker| worker["kind"].as_str())
            .collect();
        for kind in ["apply", "manager", "supervisor"] {
            assert!(kinds.contains(&kind), "{kinds:?}");
        }
        let text = document.to_string();
        assert!(
            !text.contains("port="),
            "no connection string in a document: {text}"
        );

        // Another name: the ones that exist are named.
        let other = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
            .envs(db.env())
            .run()?
            .expect(1)?;
        assert!(
            other.stdout.contains("there are: moving"),
            "{}",
            other.stdout
        );

        // Its own document is enough for the next run; a bad one is refused.
        of(&db).args(["--plan", "-"]).stdin(text).run()?.expect(0)?;
        of(&db).args(["--plan", "-"]).stdin("").run()?.expect(5)?;
    }
    Ok(())
}

#[test]
fn forms() -> Result<()> {
    let db = shared_pair(13, 17)?.database("forms")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;

    let metrics = of(&db)
        .args(["--format", "prometheus"])
        .run()?
        .expect(0)?
        .stdout;
    for line in metrics.lines() {
        let fine = match line.strip_prefix('#') {
            Some(comment) => comment.starts_with(" HELP pgl_") || comment.starts_with(" TYPE pgl_"),
            None => {
                let (name, value) = line.rsplit_once(' ').context("name and value")?;
                name.starts_with("pgl_") && name.ends_with('}') && value.parse::<f64>().is_ok()
            }
        };
        assert!(fine, "{line}");
    }
    assert!(metrics.ends_with('\n'));
    for wanted in [
        "pgl_healthy{",
        "pgl_lag_bytes{",
        "pgl_slot_retained_bytes{",
        "state=\"replicating\"} 1",
        "state=\"down\"} 0",
    ] {
        assert!(metrics.contains(wanted), "{wanted}\n{metrics}");
    }
    // Every sample follows the type of its own metric, and no metric comes twice.
    let types: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let mut unique = types.clone();
    unique.dedup();
    assert_eq!(types, unique);
    Tool::new(env!("CARGO_BIN_EXE_pgl-seqsync"))
        .envs(db.env())
        .args(["--format", "prometheus"])
        .run()?
        .expect(2)?;

    let csv = of(&db).args(["--format", "csv"]).run()?.expect(0)?.stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].starts_with("at,subscription,state,healthy"));
    assert!(lines[1].contains(",moving,replicating,true,true,"), "{csv}");
    let text = of(&db).args(["--format", "text"]).run()?.expect(0)?.stdout;
    assert!(text.starts_with("moving: replicating, healthy\n"), "{text}");

    // A watch in a pipe is a stream of lines; a signal ends it with a summary and its own code.
    let running = of(&db).args(["--watch", "--interval", "200ms"]).start()?;
    let until = Instant::now() + SOON;
    while running.stdout_so_far().lines().count() < 3 {
        ensure!(Instant::now() < until, "{}", running.stderr_so_far());
        std::thread::sleep(Duration::from_millis(50));
    }
    end(running.pid())?;
    let outcome = running.wait(SOON)?.expect(143)?;
    let lines = outcome.ndjson()?;
    assert_eq!(lines[0]["type"], "reading");
    assert_eq!(lines[2]["state"], "replicating");
    assert_eq!(lines.last().context("lines")?["type"], "summary");
    of(&db).args(["--max-lag", "10"]).run()?.expect(2)?;
    of(&db).args(["--wait-for", "nirvana"]).run()?.expect(2)?;
    Ok(())
}

fn end(pid: u32) -> Result<()> {
    let done = std::process::Command::new("kill")
        .arg(pid.to_string())
        .status()?;
    ensure!(done.success(), "kill {pid}");
    Ok(())
}

#[test]
fn lag_is_what_is_applied_and_drains() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("lag")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        lab.on_source("INSERT INTO a VALUES (1, 'first')")?;
        lab.drained()?;
        // A lock on the target holds the apply worker, while the source goes on. The worker has to stand
        // before the large transaction begins: as long as it has nothing to apply it confirms what the
        // source has read of a transaction that is not committed yet, and the lag is rightly that of the rest.
        let mut holder = db.target_client()?;
        holder.batch_execute("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE")?;
        lab.on_source("INSERT INTO a VALUES (2, 'held')")?;
        lab.apply_waits_for_a_lock()?;
        lab.on_source("INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(3, 20000) g")?;
        let lsn = db
            .source()
            .value(db.name(), "SELECT pg_current_wal_insert_lsn()")?;
        std::thread::sleep(Duration::from_secs(2));
        let late = of(&db)
            .args(["--max-lag", "1MB"])
            .run()?
            .expect(1)?
            .document()?;
        let bytes = late["lag"]["bytes"].as_u64().context("bytes")?;
        assert!(bytes > 2_000_000, "{late:#}");
        assert_eq!(late["lag"]["seconds_from"], "commit_timestamp");
        let seconds = late["lag"]["seconds"].as_f64().context("seconds")?;
        assert!((1.5..60.0).contains(&seconds), "{seconds}");
        assert_eq!(
            late["state"], "replicating",
            "the word says nothing about progress"
        );
        let blocked = cause(&late, "apply.blocked")?;
        assert!(
            blocked["evidence"].to_string().contains("Lock"),
            "{blocked:#}"
        );
        of(&db).args(["--max-lag", "1s"]).run()?.expect(1)?;
        // A worker that waits for a lock is not healthy, whatever the limit.
        of(&db).args(["--max-lag", "1h"]).run()?.expect(1)?;
        let goal = format!("drained:{lsn}");
        let not_yet = of(&db)
            .args(["--wait-for", &goal, "--timeout", "2s"])
            .run()?
            .expect(4)?
            .document()?;
        assert_eq!(not_yet["verdict"], "not_yet");
        let waiting = of(&db)
            .args(["--wait-for", &goal, "--timeout", "60s"])
            .start()?;
        std::thread::sleep(Duration::from_secs(1));
        holder.batch_execute("ROLLBACK")?;
        waiting.wait(SOON)?.expect(0)?;
        assert_eq!(
            db.target().value(db.name(), "SELECT count(*) FROM a")?,
            "20000"
        );
        of(&db)
            .args(["--wait-for", "caught-up", "--max-lag", "10s"])
            .run()?
            .expect(0)?;
        // In bytes, too, once the worker has said so: other databases of this server write as well.
        let until = Instant::now() + SOON;
        loop {
            let done = of(&db).run()?.expect(0)?.document()?;
            if done["lag"]["bytes"].as_u64().context("bytes")? < 1_000_000 {
                break;
            }
            ensure!(Instant::now() < until, "{done:#}");
        }
    }
    Ok(())
}

#[test]
fn rates_under_load() -> Result<()> {
    let db = shared_pair(15, 18)?.database("load")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let mut writer = db.source_client()?;
    let thread = std::thread::spawn(move || -> Result<i32> {
        let mut at = 0;
        while stopped.try_recv().is_err() {
            writer.execute(
                "INSERT INTO a SELECT g, repeat('y', 200) FROM generate_series($1::int, $1 + 99) g",
                &[&at],
            )?;
            at += 100;
        }
        Ok(at)
    });
    let reading = of(&db).args(["--sample", "3s"]).run();
    stop.send(())?;
    let written = thread.join().ok().context("the writer died")??;
    let document = reading?.document()?;
    let rate = |name: &str| document["rates"][name].as_f64().context("a rate");
    assert!(rate("over_seconds")? > 2.9);
    assert!(
        rate("wal_bytes")? > 10_000.0,
        "{written} rows, {document:#}"
    );
    assert!(rate("applied_bytes")? > 1_000.0, "{document:#}");
    assert!(
        document["lag"]["seconds"].as_f64().context("seconds")? < 20.0,
        "{document:#}"
    );
    let done = of(&db)
        .args(["--wait-for", "caught-up", "--timeout", "60s"])
        .run()?
        .expect(0)?;
    assert!(done.took < SOON);
    Ok(())
}

#[test]
fn switched_off_and_on() -> Result<()> {
    let db = shared_pair(13, 17)?.database("off")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
    lab.state("disabled")?;
    let document = of(&db).run()?.expect(1)?.document()?;
    assert_eq!(document["state"], "disabled");
    assert_eq!(ids(&document), ["subscription.disabled"]);
    assert_eq!(document["slot"]["active"], false);
    lab.on_source("INSERT INTO a SELECT g FROM generate_series(1, 1000) g")?;
    let retained = of(&db).run()?.expect(1)?.document()?;
    assert!(
        retained["slot"]["bytes"].as_u64().context("bytes")? > 10_000,
        "{retained:#}"
    );
    let broken = of(&db)
        .args(["--wait-for", "replicating", "--timeout", "1h"])
        .run()?
        .expect(1)?;
    assert!(broken.took < Duration::from_secs(20));
    // Somebody switches it on while another waits: the wait goes on to its end.
    lab.on_target("SELECT pglogical.alter_subscription_enable('moving', true)")?;
    of(&db)
        .args(["--wait-for", "caught-up", "--timeout", "60s"])
        .run()?
        .expect(0)?;
    Ok(())
}

#[test]
fn a_session_that_calls_itself_a_worker_is_none() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("spoof")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        let name = db.target().value(
            db.name(),
            "SELECT format('pglogical apply %s:%s', d.oid, s.sub_id) FROM pglogical.subscription s, pg_database d \
             WHERE d.datname = current_database()",
        )?;
        lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
        lab.state("disabled")?;
        let mut spoof = db.target_client()?;
        spoof.batch_execute(&format!("SET application_name = '{name}'"))?;
        let document = of(&db).run()?.expect(1)?.document()?;
        assert_eq!(document["state"], "disabled", "{document:#}");
        let apply = |worker: &Value| worker["kind"] == "apply";
        assert!(
            !document["workers"]
                .as_array()
                .context("workers")?
                .iter()
                .any(apply),
            "{document:#}"
        );
    }
    Ok(())
}

#[test]
fn names_and_messages_do_not_drive_the_terminal() -> Result<()> {
    let db = shared_pair(13, 17)?.database("escapes")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a"])?;
    let hostile = "e\u{1b}[2J\u{1b}]0;owned\u{7}\nmoving: replicating, healthy";
    let quoted = format!("\"{hostile}\"");
    lab.on_source(&format!("CREATE TABLE {quoted} (id int PRIMARY KEY)"))?;
    lab.on_source(&format!(
        "SELECT pglogical.replication_set_add_table('default', '{quoted}')"
    ))?;
    lab.subscribe()?;
    let until = Instant::now() + SOON;
    // Every tool that names it, on both streams.
    loop {
        let text = of(&db).args(["--format", "text"]).run()?;
        let lines = text.stdout.lines();
        ensure!(
            lines.filter(|line| line.starts_with("moving: ")).count() == 1,
            "{}",
            text.stdout
        );
        let all = format!("{}{}", text.stdout, text.stderr);
        ensure!(!all.contains(['\u{1b}', '\u{7}']), "{all:?}");
        if all.contains("\\u001b[2J") {
            break;
        }
        ensure!(Instant::now() < until, "never named: {all}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let preflight = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .args(["--format", "text"])
        .run()?;
    let verify = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
        .envs(db.env())
        .args(["--format", "text", "--mode", "static"])
        .run()?;
    for outcome in [preflight, verify] {
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        ensure!(!all.contains(['\u{1b}', '\u{7}']), "{all:?}");
        ensure!(all.contains("owned"), "the name is shown: {all}");
    }
    Ok(())
}
