//! What waits for the promotion, foreign keys and triggers that fire for replicated rows, and tables that are only copied again: all of it is
//! in the end as the source has it then.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, PairDb, Tool, shared_pair};

use super::support::{PAIRS, PATIENCE, cutover, setup};

/// Rows of a query that both sides answer alike; some.
fn alike(db: &PairDb, query: &str) -> Result<Vec<Vec<Option<String>>>> {
    let of = |cluster: &Cluster| cluster.sql(db.name(), query);
    let (source, target) = (of(db.source())?, of(db.target())?);
    ensure!(
        source == target && !source.is_empty(),
        "{source:#?}\n{target:#?}"
    );
    Ok(source)
}

const KEYS: &str = "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')
                      FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1, 2";

#[test]
fn foreign_keys_and_their_comments_are_the_sources() -> Result<()> {
    let db = shared_pair(13, 17)?.database("keys")?;
    db.on_source(
        "CREATE TABLE p (id int PRIMARY KEY);
         CREATE TABLE c (id int PRIMARY KEY, a int CONSTRAINT dropped REFERENCES p, b int CONSTRAINT said REFERENCES p,
                         d int CONSTRAINT silent REFERENCES p, e int CONSTRAINT before REFERENCES p ON DELETE CASCADE,
                         f int CONSTRAINT \"x VALIDATE CONSTRAINT y\" REFERENCES p);
         CREATE TABLE \"c x\" (id int PRIMARY KEY, a int CONSTRAINT k REFERENCES p ON DELETE SET NULL);
         ALTER TABLE c ADD CONSTRAINT \"x k\" FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE;
         CREATE TABLE \"c\nn\" (id int PRIMARY KEY, a int CONSTRAINT \"f\r\nk\" REFERENCES p);
         COMMENT ON CONSTRAINT dropped ON c IS 'of a key that goes'; COMMENT ON CONSTRAINT said ON c IS 'old';
         COMMENT ON CONSTRAINT silent ON c IS 'old'; COMMENT ON CONSTRAINT \"f\r\nk\" ON \"c\nn\" IS 'two lines'",
    )?;
    setup(&db).run()?.expect(0)?;
    db.on_source(
        "ALTER TABLE c DROP CONSTRAINT dropped; COMMENT ON CONSTRAINT said ON c IS 'new'; COMMENT ON CONSTRAINT k ON \"c x\" IS 'the first';
         ALTER TABLE c DROP CONSTRAINT silent; ALTER TABLE c ADD CONSTRAINT silent FOREIGN KEY (d) REFERENCES p",
    )?;
    // Changes are made on the target first.
    db.on_target(
        "ALTER TABLE c ADD CONSTRAINT before FOREIGN KEY (e) REFERENCES p ON DELETE CASCADE",
    )?;
    let out = cutover(&db).arg("--yes").run()?.expect(0)?;
    let notes = out.json()?["notes"].to_string();
    ensure!(
        notes.contains("public.c dropped: not created")
            && notes.contains("the target has it already"),
        "{notes}"
    );
    ensure!(alike(&db, KEYS)?.len() == 7);
    Ok(())
}

/// pg_dump does not write it, and only a superuser may do it.
#[test]
fn disabled_triggers_of_constraints_are_noted() -> Result<()> {
    let db = shared_pair(13, 17)?.database("unchecked")?;
    db.on_source(
        "CREATE TABLE p (id int PRIMARY KEY);
         CREATE TABLE c (id int PRIMARY KEY, p int CONSTRAINT \"Key\" REFERENCES p, n int CONSTRAINT once UNIQUE DEFERRABLE)",
    )?;
    setup(&db).run()?.expect(0)?;
    let found = |part: &str| -> Result<bool> {
        let out = cutover(&db).arg("--dry-run").run()?.expect(0)?;
        Ok(out.json()?["notes"].to_string().contains(part))
    };
    let disabled = "has disabled triggers, on the source";
    ensure!(!found(disabled)?);
    // The trigger that checks the referenced rows is on the other table.
    db.on_source("ALTER TABLE p DISABLE TRIGGER ALL")?;
    ensure!(found(disabled)? && !found("once")?);
    db.on_source("ALTER TABLE c DISABLE TRIGGER ALL")?;
    ensure!(found(
        "constraint once of table public.c has disabled triggers, on the source"
    )?);
    db.on_target("ALTER TABLE c DISABLE TRIGGER ALL")?;
    ensure!(found(disabled)? && !found("once")?);
    let out = cutover(&db).arg("--yes").run()?.expect(0)?.json()?;
    let notes = out["notes"].to_string();
    ensure!(
        notes.contains(r#"constraint \"Key\" of table public.c"#),
        "{notes}"
    );
    db.on_target("ALTER TABLE p DISABLE TRIGGER ALL; ALTER TABLE c DISABLE TRIGGER ALL; INSERT INTO c VALUES (1, 1, 1)")?;
    Ok(())
}

/// What pg_dump does not write is noted, also where it has changed since the setup, until the target has it; and what was excluded, always.
#[test]
fn what_the_target_lacks_on_purpose_or_for_want_of_statements_is_noted() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lacks")?;
    db.on_source(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT;
         CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER tr AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE VIEW w AS SELECT 1 AS x; CREATE VIEW above AS SELECT * FROM w",
    )?;
    let noted = || -> Result<String> {
        let out = cutover(&db).arg("--dry-run").run()?.expect(0)?;
        Ok(out.json()?["notes"].to_string())
    };
    setup(&db)
        .args(["--exclude-object", "VIEW public.w"])
        .run()?
        .expect(0)?;
    let first = noted()?;
    ensure!(!first.contains("pg_dump does not write"), "{first}");
    ensure!(
        first.contains("--exclude-object: VIEW public.w, VIEW public.above")
            || first.contains("--exclude-object: VIEW public.above, VIEW public.w"),
        "{first}"
    );
    let ddl = "COMMENT ON TRIGGER tr ON p1 IS 'said later'";
    db.on_source(ddl)?;
    let then = noted()?;
    ensure!(
        then.contains(
            "pg_dump does not write names or comments of triggers of partitions of table public.p"
        ),
        "{then}"
    );
    db.on_target(ddl)?;
    let last = noted()?;
    ensure!(last == first, "{last}");
    Ok(())
}

const TRIGGERS: &str = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger
                         WHERE tgrelid > 16383 AND tgname !~ '^(pgl|RI_)' AND tgname NOT LIKE 'queue_truncate%' UNION ALL
                        SELECT '', evtname, evtenabled FROM pg_event_trigger ORDER BY 1, 2";

#[test]
fn triggers_have_the_states_of_the_sources() -> Result<()> {
    // A partition's trigger is internal before 15.
    for (source, target) in PAIRS {
        states(&shared_pair(source, target)?.database("states")?)?;
    }
    Ok(())
}

fn states(db: &PairDb) -> Result<()> {
    db.on_source(
        "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION ef() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE TABLE c (id int PRIMARY KEY);
         CREATE TRIGGER dropped BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE TRIGGER plain BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE TRIGGER again BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE TRIGGER off BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE TRIGGER renamed BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE TRIGGER stays BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf();
         ALTER TABLE c ENABLE ALWAYS TRIGGER dropped, ENABLE ALWAYS TRIGGER plain, ENABLE ALWAYS TRIGGER again, ENABLE REPLICA TRIGGER off,
                       ENABLE ALWAYS TRIGGER renamed, ENABLE ALWAYS TRIGGER stays;
         CREATE EVENT TRIGGER gone ON sql_drop WHEN TAG IN ('DROP VIEW') EXECUTE FUNCTION ef(); ALTER EVENT TRIGGER gone ENABLE ALWAYS;
         CREATE EVENT TRIGGER kept ON sql_drop WHEN TAG IN ('DROP VIEW') EXECUTE FUNCTION ef(); ALTER EVENT TRIGGER kept ENABLE REPLICA;
         CREATE TABLE pt (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (10); CREATE TABLE pt2 PARTITION OF pt FOR VALUES FROM (10) TO (20);
         CREATE TABLE pt3 PARTITION OF pt FOR VALUES FROM (20) TO (30); CREATE TABLE pt4 PARTITION OF pt FOR VALUES FROM (30) TO (40);
         CREATE TRIGGER t AFTER INSERT ON pt FOR EACH ROW EXECUTE FUNCTION tf();
         ALTER TABLE pt ENABLE ALWAYS TRIGGER t; ALTER TABLE pt1 ENABLE TRIGGER t; ALTER TABLE pt2 DISABLE TRIGGER t;
         ALTER TABLE pt3 ENABLE REPLICA TRIGGER t;
         CREATE TABLE pq (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE pq1 PARTITION OF pq FOR VALUES FROM (0) TO (10);
         CREATE TRIGGER t AFTER INSERT ON pq FOR EACH ROW EXECUTE FUNCTION tf();
         CREATE SCHEMA \"a.b\"; CREATE SCHEMA a; CREATE TABLE \"a.b\".c (id int PRIMARY KEY); CREATE TABLE a.\"b.c\" (id int PRIMARY KEY);
         CREATE TRIGGER t AFTER INSERT ON \"a.b\".c FOR EACH ROW EXECUTE FUNCTION tf(); ALTER TABLE \"a.b\".c ENABLE ALWAYS TRIGGER t;
         CREATE TRIGGER t AFTER INSERT ON a.\"b.c\" FOR EACH ROW EXECUTE FUNCTION tf(); ALTER TABLE a.\"b.c\" ENABLE ALWAYS TRIGGER t",
    )?;
    setup(db).run()?.expect(0)?;
    // Nothing has changed, and that is what is said.
    cutover(db).arg("--dry-run").run()?.expect(0)?;
    let both = "DROP TRIGGER dropped ON c; ALTER TABLE c ENABLE TRIGGER plain; DROP TRIGGER again ON c; DROP EVENT TRIGGER gone;
         CREATE TRIGGER again BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION tf()";
    db.on_source(both)?;
    db.on_target(both)?;
    db.on_source("ALTER TABLE c DISABLE TRIGGER off, ENABLE REPLICA TRIGGER stays; ALTER TABLE pt4 DISABLE TRIGGER t")?;
    // They get the states of the source: that those differ is no difference.
    cutover(db).arg("--dry-run").run()?.expect(0)?;
    let refused = |code, id: &str| -> Result<(String, String)> {
        let out = cutover(db).arg("--dry-run").run()?.expect(code)?.json()?;
        let all = out["refusals"].as_array().context("no refusals")?;
        ensure!(all.len() == 1 && all[0]["id"] == id, "{out:#}");
        Ok((all[0]["what"].to_string(), all[0]["hint"].to_string()))
    };
    let renamed = "ALTER TRIGGER renamed ON c RENAME TO other";
    db.on_source(renamed)?;
    let (what, _) = refused(1, "cut.definitions")?;
    ensure!(
        what.contains("TRIGGER public.c renamed") && what.contains("TRIGGER public.c other"),
        "{what}"
    );
    db.on_target(renamed)?;
    cutover(db).arg("--dry-run").run()?.expect(0)?;
    // One that fires always since the setup only.
    let always = "ALTER TABLE pq1 ENABLE ALWAYS TRIGGER t";
    db.on_source(always)?;
    refused(1, "cut.definitions")?;
    db.on_target(always)?;
    let (_, hint) = refused(1, "cut.replica_triggers")?;
    ensure!(
        hint.contains("pgl-setup --step target.triggers") && !hint.contains("DISABLE"),
        "{hint}"
    );
    setup(db)
        .args(["--step", "target.triggers"])
        .run()?
        .expect(0)?;
    let out = cutover(db).arg("--yes").run()?.expect(0)?;
    let found = alike(db, TRIGGERS)?;
    ensure!(found.len() == 15, "{found:?} {}", out.stdout);
    Ok(())
}

#[test]
fn a_table_that_is_only_copied_again_may_go_and_come() -> Result<()> {
    let db = shared_pair(15, 18)?.database("recopied")?;
    db.on_source(
        "CREATE TABLE k (id int PRIMARY KEY); CREATE UNLOGGED TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1);
         CREATE UNLOGGED TABLE here (id int PRIMARY KEY); INSERT INTO here VALUES (1);
         CREATE UNLOGGED TABLE older (id int); INSERT INTO older VALUES (-1);
         ALTER TABLE older ADD CONSTRAINT positive CHECK (id > 0) NOT VALID; COMMENT ON CONSTRAINT positive ON older IS 'since then';
         CREATE TABLE list (id int, v int) PARTITION BY LIST (v);
         CREATE UNLOGGED TABLE list_1 PARTITION OF list FOR VALUES IN (1);
         CREATE TABLE list_2 PARTITION OF list (PRIMARY KEY (id)) FOR VALUES IN (2);
         CREATE TABLE list_3 PARTITION OF list (PRIMARY KEY (id)) FOR VALUES IN (3);
         INSERT INTO list VALUES (-1, 1), (-2, 2), (3, 3);
         CREATE TABLE parent (id int PRIMARY KEY);
         CREATE UNLOGGED TABLE child () INHERITS (parent);
         INSERT INTO child VALUES (-1);
         ALTER TABLE list ADD CONSTRAINT positive CHECK (id > 0) NOT VALID; COMMENT ON CONSTRAINT positive ON list_1 IS 'of list';
         ALTER TABLE list_3 VALIDATE CONSTRAINT positive;
         ALTER TABLE parent ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
         ALTER TABLE child ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
    )?;
    setup(&db).run()?.expect(0)?;
    let constraints = "SELECT conrelid::regclass, convalidated, conislocal, coninhcount, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')
                         FROM pg_constraint WHERE conname = 'positive' ORDER BY conrelid::regclass::text";
    ensure!(alike(&db, constraints)?.len() == 7);
    // Rows that are older than a constraint.
    Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .args(["resync", "list_2", "--always", "--yes"])
        .limit(PATIENCE)
        .run()?
        .expect(0)?;
    alike(&db, constraints)?;
    for cluster in [db.source(), db.target()] {
        cluster.sql(db.name(), "DROP TABLE u")?;
    }
    db.on_source("CREATE UNLOGGED TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (7)")?;
    db.on_target("DROP TABLE here")?;
    let out = cutover(&db).arg("--dry-run").run()?.expect(1)?;
    let refusals = out.json()?["refusals"].to_string();
    ensure!(
        refusals.contains("public.fresh is in no plan")
            && refusals.contains("public.here: does not exist on the target")
            && !refusals.contains("public.u"),
        "{refusals}"
    );
    for args in [["add-table", "fresh"], ["remove-table", "here"]] {
        Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
            .envs(db.env())
            .args(args)
            .arg("--yes")
            .limit(PATIENCE)
            .run()?
            .expect(0)?;
    }
    db.on_source("DROP TABLE here")?;
    let out = cutover(&db).arg("--yes").run()?.expect(0)?;
    ensure!(
        out.stdout
            .contains("dropped on both sides, so not copied again: public.u"),
        "{}",
        out.stdout
    );
    ensure!(alike(&db, "SELECT id FROM fresh")?.len() == 1);
    alike(&db, constraints)?;
    alike(
        &db,
        "SELECT id FROM older UNION ALL SELECT id FROM list UNION ALL SELECT id FROM parent ORDER BY 1",
    )?;
    Ok(())
}
