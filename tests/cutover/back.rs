//! Replication back, and the rollback.

use anyhow::{Context, Result, ensure};
use pgl_core::cutover::READ_WRITE;
use pgl_testkit::load::Load;
use pgl_testkit::{Cluster, PairDb, Tool};
use serde_json::Value;

use crate::common::Documented;

use super::support::{
    PAIRS, PATIENCE, cutover, either, go_on, overriding, replicating, replicating_with, roles, same,
};

/// T19: from 17 and 18 back to an old pglogical, which cannot make its own slot there.
#[test]
fn a_rollback_loses_nothing_that_was_written_on_the_target() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "back")?;
        let (app, stubborn) = roles(&db)?;
        let writers = Load::new()
            .workers(3)
            .start(&[either(&db, &app), either(&db, &stubborn)])?;
        let writers = go_on(writers, 100)?;
        let document = cutover(&db)
            .args(["--yes", "--reverse"])
            .run()?
            .expect(0)?
            .json()?;
        ensure!(document["reverse"] == true, "{document:#}");
        let writers = go_on(writers, 100)?;
        db.on_target(
            "UPDATE keyless SET b = 'new' WHERE a = 20; DELETE FROM keyless WHERE a = 21;
             INSERT INTO parent VALUES (9000); INSERT INTO child (parent) VALUES (9000); INSERT INTO scratch (v) VALUES ('new')",
        )?;
        let back = cutover(&db)
            .args(["rollback", "--yes"])
            .run()?
            .expect(0)?
            .json()?;
        ensure!(
            back["direction"] == "back" && back["state"] == "done",
            "{back:#}"
        );
        let writers = go_on(writers, 100)?;
        same(&db, &["parent", "child", "keyless", "scratch"])?;
        // The source hands out what follows, and accepts writes; the target does not.
        ensure!(
            db.on_source("INSERT INTO child (parent) VALUES (9000) RETURNING id")?
                == [[Some("3002".to_owned())]]
        );
        ensure!(db.on_target("INSERT INTO parent VALUES (9001)").is_err());
        let walls = "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write'";
        ensure!(db.source().value(db.name(), walls)? == "0");
        ensure!(db.target().value(db.name(), walls)? != "0");

        // And once more, in the first direction.
        cutover(&db).arg("--yes").run()?.expect(0)?;
        let writers = go_on(writers, 100)?;
        writers.stop()?.check(&mut db.target_client()?)?;
    }
    Ok(())
}

/// The source is the production database then: rows that somebody writes on the target stay there.
#[test]
fn an_attempt_that_was_rolled_back_leaves_no_reverse_replication() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "unreverse")?;
        let gone = || -> Result<()> {
            let subscriptions = "SELECT count(*) FROM pglogical.subscription";
            ensure!(db.source().value(db.name(), subscriptions)? == "0");
            let slots =
                "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
            ensure!(db.target().value(db.name(), slots)? == "0");
            Ok(())
        };
        let attempt = |hook: &str| {
            cutover(&db)
                .args(["--yes", "--reverse", "--hook-blocked", hook])
                .run()
        };
        ensure!(attempt("exit 1")?.code() != Some(0));
        gone()?;
        attempt("kill -9 $PPID")?;
        ensure!(gone().is_err(), "it was prepared");
        cutover(&db).command("abort").run()?.expect(0)?;
        gone()?;
        // It is made anew for the attempt that succeeds.
        let done = cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
        ensure!(done.json()?["reverse"] == true);
        ensure!(gone().is_err());
    }
    Ok(())
}

/// Rows that a subscription writes to the promoted target carry its origin: reverse replication does not forward them.
#[test]
fn a_rollback_is_refused_while_the_target_receives_rows_from_elsewhere() -> Result<()> {
    let db = replicating(15, 18, "fed")?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    let feed = db.role("feed");
    db.on_target(&format!(
        "CREATE SUBSCRIPTION \"{feed}\" CONNECTION 'dbname=none' PUBLICATION none WITH (connect = false)"
    ))?;
    let out = cutover(&db)
        .args(["rollback", "--yes"])
        .run()?
        .expect(5)?
        .json()?;
    let refused = out["refusals"].to_string();
    ensure!(
        refused.contains("repl.cascading_origin")
            && refused.contains(&format!("the target is a subscriber: {feed}")),
        "{out:#}"
    );
    db.on_target(&format!(
        "ALTER SUBSCRIPTION \"{feed}\" SET (slot_name = NONE)"
    ))?;
    db.on_target(&format!("DROP SUBSCRIPTION \"{feed}\""))?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    Ok(())
}

/// Changes on the target after the switch, and what the refusal of a rollback says.
const LATER: [(&str, &str); 10] = [
    (
        "CREATE OR REPLACE VIEW shown AS SELECT id FROM plain WHERE id > 2",
        "VIEW public.shown has changed on the target, not on the source",
    ),
    (
        "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "FUNCTION public.two() is only on the target",
    ),
    (
        "CREATE POLICY mine ON plain USING (id > 0)",
        "POLICY public.plain mine is only on the target",
    ),
    (
        "CREATE TRIGGER late BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION fire()",
        "TRIGGER public.plain late is only on the target",
    ),
    (
        "CREATE INDEX late_index ON plain (v)",
        "INDEX public.late_index is only on the target",
    ),
    (
        "GRANT SELECT ON plain TO pg_monitor",
        "ACL public.TABLE plain is only on the target",
    ),
    (
        "ALTER TYPE mood ADD VALUE 'merry'",
        "TYPE public.mood has changed on the target",
    ),
    (
        "DROP INDEX gone",
        "INDEX public.gone is not on the target (dropped there after the setup)",
    ),
    (
        "ALTER TABLE plain ALTER v SET DEFAULT 'new', ALTER n TYPE bigint",
        "TABLE public.plain has changed on the target",
    ),
    (
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey",
        "FK CONSTRAINT public.child child_parent_fkey is not on the target",
    ),
];

/// Made on both sides between setup and cutover, and how the target loses it after the cutover.
const LOST: [(&str, &str, &str); 7] = [
    (
        "ALTER TABLE parent ADD CONSTRAINT chk CHECK (id <> -1)",
        "ALTER TABLE parent DROP CONSTRAINT chk",
        "TABLE public.parent has changed on the target",
    ),
    (
        "CREATE UNIQUE INDEX uq ON child (id, parent)",
        "DROP INDEX uq",
        "INDEX public.uq is not on the target (dropped there after the setup)",
    ),
    (
        "CREATE VIEW one AS SELECT 1 AS x",
        "DROP VIEW one",
        "VIEW public.one is not on the target",
    ),
    (
        "CREATE FUNCTION nf() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION nf()",
        "FUNCTION public.nf() is not on the target",
    ),
    (
        "CREATE TRIGGER tn BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION fire()",
        "DROP TRIGGER tn ON child",
        "TRIGGER public.child tn is not on the target",
    ),
    (
        "GRANT SELECT ON parent TO pg_monitor",
        "REVOKE SELECT ON parent FROM pg_monitor",
        "ACL public.TABLE parent is not on the target",
    ),
    (
        "CREATE POLICY po ON parent USING (true)",
        "DROP POLICY po ON parent",
        "POLICY public.parent po is not on the target",
    ),
];

/// The source still has it, and would enforce it again.
#[test]
fn what_the_target_lost_after_the_switch_is_named_by_a_rollback() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(
            source,
            target,
            "lost",
            "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
        )?;
        for (made, _, _) in LOST {
            db.on_source(made)?;
            db.on_target(made)?;
        }
        // Differences that the cutover is forced over.
        db.on_source("CREATE FUNCTION alone() RETURNS int LANGUAGE sql AS 'SELECT 1'")?;
        db.on_target(
            "CREATE OR REPLACE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 2';
             CREATE TRIGGER there BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION fire()",
        )?;
        cutover(&db)
            .args(["--yes", "--reverse", "--force", "cut.definitions"])
            .run()?
            .expect(0)?;
        cutover(&db)
            .args(["rollback", "--dry-run"])
            .run()?
            .expect(0)?;
        // The production database would lack what the source has lost.
        let (made, lost, _) = LOST[0];
        overriding(&db)?.batch_execute(lost)?;
        let refused = cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
        let said = refused.json()?["refusals"].to_string();
        ensure!(
            said.contains("TABLE public.parent has changed on the source"),
            "{said}"
        );
        overriding(&db)?.batch_execute(made)?;
        for lost in LOST.chunks(4) {
            for (_, lost, _) in lost {
                db.on_target(lost)?;
            }
            let document = cutover(&db)
                .args(["rollback", "--yes"])
                .run()?
                .expect(5)?
                .json()?;
            let said = document["refusals"].to_string();
            for (_, lost, names) in lost {
                ensure!(said.contains(names), "{lost}: {names}: {document:#}");
            }
            ensure!(
                !["alone()", "other()", "parent there"]
                    .iter()
                    .any(|forced| said.contains(forced)),
                "{document:#}"
            );
            let mut source = overriding(&db)?;
            for (_, lost, _) in lost {
                source.batch_execute(lost)?;
            }
        }
        cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    }
    Ok(())
}

/// The side that a note is about is the one whose values stay.
#[test]
fn what_the_database_itself_has_on_one_side_is_named_there_and_back() -> Result<()> {
    let db = replicating(13, 17, "owned")?;
    let name = db.name();
    db.on_source(&format!(
        "ALTER DATABASE {name} OWNER TO pg_monitor; ALTER DATABASE {name} CONNECTION LIMIT 91"
    ))?;
    let said = |args: &[&str]| -> Result<String> {
        let out = cutover(&db).args(args).run()?.expect(0)?;
        Ok(out.json()?["notes"].to_string())
    };
    let there = said(&["--yes", "--reverse"])?;
    ensure!(
        there.contains(
            "the target database itself differs from the source's and stays so: owner pg_monitor (on the source), \
             connection limit 91 (on the source)"
        ),
        "{there}"
    );
    let back = said(&["rollback", "--dry-run"])?;
    ensure!(
        back.contains("the source database itself differs from the target's and stays so: owner pg_monitor (on the target postgres)")
            && back.contains("connection limit 91 (on the target -1)"),
        "{back}"
    );
    Ok(())
}

/// What the former source would do with rows that come back, or answer; an index that it alone has is not in the way.
#[test]
fn a_rollback_looks_at_the_former_source() -> Result<()> {
    let db = replicating_with(
        13,
        17,
        "former",
        "CREATE MATERIALIZED VIEW later AS SELECT 1 AS q WITH NO DATA;
         CREATE TABLE twice (id int PRIMARY KEY, v int, a text[]); INSERT INTO twice VALUES (1, 1), (2, 1)",
    )?;
    let unique = "CREATE UNIQUE INDEX CONCURRENTLY never ON twice (v)";
    ensure!(db.on_source(unique).is_err(), "the values are the same");
    let refusals = |args: &[&str], code: i32| -> Result<String> {
        let out = cutover(&db).args(args).run()?.expect(code)?;
        Ok(out.json()?["refusals"].to_string())
    };
    let name = db.name();
    db.on_source(&format!("ALTER DATABASE {name} SET array_nulls = off"))?;
    refusals(&["--dry-run"], 0)?;
    let said = refusals(&["--dry-run", "--reverse"], 1)?;
    ensure!(
        said.contains("array_nulls is off")
            && said.contains("stop the apply worker of reverse replication: public.never"),
        "{said}"
    );
    db.on_source(&format!("ALTER DATABASE {name} RESET array_nulls"))?;
    db.on_source("DROP INDEX never; CREATE INDEX never ON twice (v)")?;
    db.on_source("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'never'::regclass")?;
    refusals(&["--yes", "--reverse"], 0)?;
    db.on_target("INSERT INTO twice VALUES (3, 2, ARRAY[NULL]); REFRESH MATERIALIZED VIEW later")?;
    let said = refusals(&["rollback", "--dry-run"], 1)?;
    ensure!(
        said.contains("filled on the target and not on the source: public.later")
            && !said.contains("cut.indexes"),
        "{said}"
    );
    db.on_source(&format!(
        "{READ_WRITE}; REFRESH MATERIALIZED VIEW later; ALTER DATABASE {name} SET array_nulls = off"
    ))?;
    let said = refusals(&["rollback", "--dry-run"], 1)?;
    ensure!(said.contains("cut.input_settings"), "{said}");
    db.on_source(&format!(
        "{READ_WRITE}; ALTER DATABASE {name} RESET array_nulls"
    ))?;
    refusals(&["rollback", "--yes"], 0)?;
    let back = db.on_source("SELECT count(*) FROM twice WHERE a[1] IS NULL AND a IS NOT NULL")?;
    ensure!(back == [[Some("1".to_owned())]], "{back:?}");
    Ok(())
}

/// A partition that a job adds every month, a table of a release, a sequence: nothing replicates them to the former source.
#[test]
fn what_was_made_after_the_switch_is_not_left_behind_in_silence() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(
            source,
            target,
            "later",
            "CREATE TYPE mood AS ENUM ('glum');
             CREATE TABLE ev (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
             CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (1) TO (2); INSERT INTO ev VALUES (1, 1);
             CREATE TABLE plain (id int PRIMARY KEY, v text, state mood, n int);
             CREATE VIEW shown AS SELECT id FROM plain WHERE id > 1;
             CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
             CREATE TRIGGER always BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION fire();
             ALTER TABLE plain ENABLE ALWAYS TRIGGER always;
             CREATE INDEX gone ON plain (n)",
        )?;
        cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
        cutover(&db)
            .args(["rollback", "--dry-run"])
            .run()?
            .expect(0)?;
        for changes in LATER.chunks(4) {
            for (change, _) in changes {
                db.on_target(change)?;
            }
            let document = cutover(&db)
                .args(["rollback", "--dry-run"])
                .run()?
                .expect(1)?
                .json()?;
            let said = document["refusals"].to_string();
            for (change, names) in changes {
                ensure!(said.contains(names), "{change}: {names}: {document:#}");
            }
            ensure!(
                said.contains("make both sides alike again (on the source: "),
                "{document:#}"
            );
            let mut source = overriding(&db)?;
            for (change, _) in changes {
                source.batch_execute(change)?;
            }
            // On both sides it is no difference.
            cutover(&db)
                .args(["rollback", "--dry-run"])
                .run()?
                .expect(0)?;
        }
        db.on_target(
            "CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (2) TO (3); INSERT INTO ev VALUES (2, 2);
             CREATE TABLE invoice (id int PRIMARY KEY); CREATE SEQUENCE fresh; ALTER TABLE parent ADD extra int",
        )?;
        for more in [["rollback", "--dry-run"], ["rollback", "--yes"]] {
            let document = cutover(&db).args(more).run()?.json()?;
            let said = document["refusals"].to_string();
            for name in [
                "table public.ev_2",
                "table public.invoice",
                "sequence public.fresh",
            ] {
                ensure!(said.contains(name), "{name}: {document:#}");
            }
            ensure!(
                said.contains(
                    "after that, and where they may stay behind: --force cut.left_behind"
                ),
                "{document:#}"
            );
            ensure!(
                said.contains("column extra is missing on the source"),
                "{document:#}"
            );
        }
        db.on_target("ALTER TABLE parent DROP extra")?;
        cutover(&db)
            .args(["rollback", "--yes", "--force", "cut.left_behind"])
            .run()?
            .expect(0)?;
    }
    Ok(())
}

/// The statements of the hint are enough, in both directions: pgl-control knows a table by its name in the plan, and changes nothing
/// after the promotion.
#[test]
fn the_hint_for_a_renamed_table_leads_to_a_cutover_and_to_a_rollback() -> Result<()> {
    there_and_back("renamed", "ALTER TABLE plain RENAME TO moved", "moved")
}

#[test]
fn so_does_the_hint_for_a_table_moved_to_another_schema() -> Result<()> {
    let ddl = "CREATE SCHEMA IF NOT EXISTS archive; ALTER TABLE plain SET SCHEMA archive; ALTER TABLE archive.plain RENAME TO moved";
    there_and_back("another_schema", ddl, "archive.moved")
}

/// Follows the hint on either side after `ddl` has renamed the table to `now`.
fn there_and_back(name: &str, ddl: &str, now: &str) -> Result<()> {
    let db = replicating_with(
        13,
        17,
        name,
        "CREATE TABLE plain (id int PRIMARY KEY, v text)",
    )?;
    let sides = ("source", "target");
    follow_the_hint(&db, &[], (ddl, now), (db.source(), db.target()), sides)?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    same(&db, &["plain"])?;
    let sides = ("target", "source");
    follow_the_hint(
        &db,
        &["rollback"],
        (ddl, now),
        (db.target(), db.source()),
        sides,
    )?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    same(&db, &["plain"])
}

/// What pgl-status reports.
fn cause(db: &PairDb, id: &str) -> Result<Value> {
    let document = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .args(["--sample", "0s"])
        .limit(PATIENCE)
        .run()?
        .document()?;
    let causes = document["causes"].as_array().context("no causes")?;
    let found = causes.iter().find(|one| one["id"] == id);
    found
        .cloned()
        .with_context(|| format!("{id} is not reported: {document:#}"))
}

/// Renames a table of the side that clients write to, and follows what the refusal of a dry run says.
fn follow_the_hint(
    db: &PairDb,
    command: &[&str],
    (ddl, now): (&str, &str),
    (from, to): (&Cluster, &Cluster),
    (from_side, to_side): (&str, &str),
) -> Result<()> {
    from.sql(db.name(), ddl)?;
    if from_side == "source" {
        cause(db, "set.table_renamed")?;
    }
    from.sql(
        db.name(),
        &format!("INSERT INTO {now} SELECT count(*), 'late on {from_side}' FROM {now}"),
    )?;
    let is = |state: &str| {
        let sql = format!(
            "SELECT bool_and(status = '{state}') FROM pglogical.show_subscription_status()"
        );
        to.wait_until(db.name(), &sql, PATIENCE)
    };
    is("down")?;
    let out = cutover(db)
        .args(command)
        .arg("--dry-run")
        .run()?
        .expect(1)?
        .json()?;
    let refusals = out["refusals"].as_array().context("no refusals")?;
    ensure!(
        !refusals
            .iter()
            .any(|one| one["id"] == "cut.left_behind" || one["id"] == "cut.unplanned"),
        "{out:#}"
    );
    let hint = refusals
        .iter()
        .find(|one| one["id"] == "cut.followed")
        .and_then(|one| one["hint"].as_str())
        .with_context(|| format!("{out:#}"))?;
    if from_side == "source" {
        let found = cause(db, "apply.table_missing")?;
        ensure!(found["remedy"] == hint, "{hint}: {found:#}");
    }
    let (back, there) = hint.split_once(". If ").context("no second part")?;
    let (_, there) = there
        .split_once(&format!("on the {to_side}: "))
        .context("no other side")?;
    let (first, last) = there
        .split_once("; once those rows have arrived: ")
        .context("no last part")?;
    let back = back
        .strip_prefix(&format!("on the {from_side}: "))
        .context("another side")?;
    from.sql(db.name(), back)?;
    let mut client = to.client(db.name())?;
    for statement in first.split("; ") {
        client.batch_execute(statement)?;
    }
    let arrived = format!("SELECT EXISTS (SELECT FROM {now} WHERE v = 'late on {from_side}')");
    to.wait_until(db.name(), &arrived, PATIENCE)?;
    // Enabling a subscription ends its apply worker, which is shown as replicating until it has ended: what counts is the next one.
    let workers = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pglogical apply%'";
    let worker = to.value(db.name(), workers)?;
    for statement in last.split("; ") {
        client.batch_execute(statement)?;
    }
    let next = format!("SELECT count(*) = 1 AND bool_and(pid <> {worker}) FROM ({workers}) w");
    to.wait_until(db.name(), &next, PATIENCE)?;
    is("replicating")
}

#[test]
fn without_a_way_back_a_rollback_is_refused() -> Result<()> {
    let db = replicating(13, 17, "noway")?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
    Ok(())
}
