//! What it refuses, and that it changes nothing then.

use crate::common::Documented;
use anyhow::{Context as _, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};

use super::support::{drain, same_rows, setup, state};

/// Nothing of ours on either side.
fn untouched(db: &PairDb) -> Result<()> {
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('pgl', 'pglogical')";
    for found in [db.on_source(sql)?, db.on_target(sql)?] {
        ensure!(found == [[Some("0".to_owned())]], "something was made");
    }
    let slots = db.on_source(
        "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()",
    )?;
    ensure!(slots == [[Some("0".to_owned())]], "a slot was made");
    Ok(())
}

#[test]
fn a_dry_run_prints_the_statements_and_changes_nothing() -> Result<()> {
    let db = shared_pair(13, 17)?.database("dry")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE INDEX t_v ON t (v); CREATE TABLE u (t int REFERENCES t)")?;
    let out = setup(&db)
        .args(["--dry-run", "--foreign-keys", "now", "--format", "text"])
        .run()?
        .expect(0)?;
    for expected in [
        "CREATE EXTENSION IF NOT EXISTS pglogical",
        "replication_set_add_table(set_name := 'default', relation := '\"public\".\"t\"'",
        "CREATE TABLE \"public\".\"t\" (",
        "CREATE INDEX \"t_v\" ON \"public\".\"t\"",
        "COPY \"public\".\"t\" (\"id\", \"v\") TO STDOUT",
        "pg_replication_origin_create",
        "VALIDATE CONSTRAINT \"u_t_fkey\"",
    ] {
        ensure!(
            out.stdout.contains(expected),
            "no {expected:?} in\n{}",
            out.stdout
        );
    }
    let json = setup(&db)
        .args(["--dry-run"])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(state(&json, "copy")? == "planned", "{json:#}");
    untouched(&db)
}

#[test]
fn a_plan_for_other_servers() -> Result<()> {
    let pair = shared_pair(13, 17)?;
    let (one, other) = (pair.database("one")?, pair.database("other")?);
    one.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    let plan = setup(&one).arg("--dry-run").run()?.expect(0)?.stdout;
    let out = setup(&other)
        .args(["--plan", "-"])
        .stdin(plan)
        .run()?
        .expect(5)?;
    ensure!(
        out.stderr.contains("the document was made for another"),
        "{}",
        out.stderr
    );
    untouched(&other)
}

#[test]
fn rows_of_others_on_the_target_stay() -> Result<()> {
    let db = shared_pair(13, 17)?.database("occupied")?;
    let table = "CREATE TABLE t (id int PRIMARY KEY, v text)";
    db.on_source(table)?;
    db.on_source("INSERT INTO t VALUES (1, 'source')")?;
    db.on_target(table)?;
    db.on_target("INSERT INTO t VALUES (2, 'theirs')")?;
    let out = setup(&db).run()?.expect(5)?;
    ensure!(
        out.stdout.contains("tbl.target_not_empty"),
        "{}",
        out.stdout
    );
    untouched(&db)?;
    // Forced past the check, the step itself still refuses.
    let out = setup(&db)
        .args(["--force", "tbl.target_not_empty"])
        .run()?
        .expect(6)?;
    ensure!(
        out.stdout
            .contains("rows that this migration did not put there"),
        "{}",
        out.stdout
    );
    ensure!(db.on_target("SELECT v FROM t")? == [[Some("theirs".to_owned())]]);
    // Once they are gone, it goes on.
    db.on_target("DELETE FROM t")?;
    setup(&db).run()?.expect(0)?;
    drain(&db)?;
    same_rows(&db)
}

#[test]
fn a_schema_that_is_there_is_compared() -> Result<()> {
    let db = shared_pair(13, 17)?.database("differs")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY, v text, w int)")?;
    db.on_target("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
    let out = setup(&db)
        .args(["--schema-copy", "skip", "--force", "tbl.column_mismatch"])
        .run()?
        .expect(5)?;
    ensure!(out.stderr.contains("public.t, column w"), "{}", out.stderr);
    untouched(&db)?;
    db.on_target("ALTER TABLE t ADD w int")?;
    // The tables are there, and not all that belongs to them: refused unless --schema-copy skip says that this is meant.
    db.on_source(
        "ALTER TABLE t ALTER w SET DEFAULT 7; CREATE VIEW seen AS SELECT id FROM t;
         CREATE TABLE child (id int PRIMARY KEY, t int CONSTRAINT kept REFERENCES t); COMMENT ON TABLE t IS 'said'",
    )?;
    db.on_target("CREATE TABLE child (id int PRIMARY KEY, t int)")?;
    let differences = "not the source's: FK CONSTRAINT public.child kept is not on the target, TABLE public.t differs \
                       (\"w\" integer DEFAULT 7 on the source, \"w\" integer on the target), VIEW public.seen is not on the target";
    let refused = |differences: &str| -> Result<()> {
        for tool in [setup(&db), setup(&db).arg("--dry-run")] {
            let refused = tool.run()?.expect(5)?;
            let said = words(&(refused.stdout + &refused.stderr));
            ensure!(said.contains(differences), "{said}");
        }
        Ok(())
    };
    refused(differences)?;
    // What is excluded may be missing; what is announced to be another schema is named, also where warnings are not shown.
    let out = setup(&db)
        .args(["-q", "--schema-copy", "skip"])
        .args(["--exclude-object", "VIEW public.seen"])
        .run()?
        .expect(0)?;
    let said = words(&out.stdout);
    let differences = differences.trim_end_matches(", VIEW public.seen is not on the target");
    ensure!(said.contains(differences), "{said}");
    ensure!(!said.contains("public.seen is not"), "{said}");
    db.on_source("INSERT INTO t VALUES (1, 'a', 2)")?;
    drain(&db)?;
    same_rows(&db)
}

/// What was accepted then is no difference afterwards, and is not called the same either.
#[test]
fn what_a_schema_of_others_lacks_is_not_called_the_same() -> Result<()> {
    let db = shared_pair(13, 17)?.database("accepted")?;
    let table = "CREATE TABLE t (id int PRIMARY KEY)";
    db.on_source(table)?;
    // A table that is missing is seen before anything is changed.
    db.on_target("CREATE TABLE other (id int)")?;
    let refused = setup(&db)
        .args(["--schema-copy", "skip"])
        .run()?
        .expect(5)?;
    let said = words(&(refused.stdout + &refused.stderr));
    ensure!(said.contains("public.t"), "{said}");
    ensure!(
        db.source()
            .value(db.name(), "SELECT to_regnamespace('pgl') IS NULL")?
            == "t"
    );
    db.on_target("DROP TABLE other")?;
    db.on_target(table)?;
    db.on_source("CREATE VIEW seen AS SELECT id FROM t")?;
    let out = setup(&db)
        .args(["--schema-copy", "skip"])
        .run()?
        .expect(0)?;
    let said = words(&(out.stdout + &out.stderr));
    ensure!(
        said.contains("VIEW public.seen is not on the target"),
        "{said}"
    );
    let verify = |format: &str| {
        Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .envs(db.env())
            .args(["--definitions", "--format", format])
            .run()?
            .expect(0)
    };
    let said = words(&verify("text")?.stdout);
    ensure!(
        said.contains(
            "0 definitions different by changes since pgl-setup (what differed before is not counted)"
        ),
        "{said}"
    );
    ensure!(verify("json")?.json()?["definitions_since_setup"] == true);
    Ok(())
}

/// What exists on both sides and is defined in two ways, of each kind, and what the target alone has and that refuses or changes rows.
#[test]
fn a_schema_that_is_defined_otherwise_is_refused() -> Result<()> {
    const BOTH: &str = "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, v text, w int); CREATE VIEW s.v AS SELECT id FROM s.t;
        CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE INDEX i ON s.t (v);
        CREATE FUNCTION s.tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TYPE s.e AS ENUM ('a');
        CREATE TRIGGER tr BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.tf(); CREATE SEQUENCE s.q INCREMENT 1;
        CREATE POLICY p ON s.t USING (id > 0); COMMENT ON TABLE s.t IS 'there'; CREATE DOMAIN s.d AS int CHECK (VALUE > 0)";
    for (target, pair) in [(17, "major"), (13, "same")] {
        let db = shared_pair(13, target)?.database(&format!("otherwise_{pair}"))?;
        db.on_source(BOTH)?;
        db.on_target(BOTH)?;
        let begin = |differences: &[&str]| -> Result<()> {
            let out = setup(&db).run()?.expect(5)?;
            let said = words(&(out.stdout + &out.stderr));
            for one in differences {
                ensure!(said.contains(one), "{one} in {said}");
            }
            untouched(&db)
        };
        for (there, back, difference) in [
            (
                "ALTER TABLE s.t ALTER w SET DEFAULT 8",
                "ALTER TABLE s.t ALTER w DROP DEFAULT",
                "TABLE s.t differs",
            ),
            (
                "ALTER TABLE s.t ADD CONSTRAINT c CHECK (w > 0)",
                "ALTER TABLE s.t DROP CONSTRAINT c",
                "TABLE s.t differs",
            ),
            (
                "ALTER TABLE s.t ADD CONSTRAINT u UNIQUE (w)",
                "ALTER TABLE s.t DROP CONSTRAINT u",
                "CONSTRAINT s.t u is only on the target",
            ),
            (
                "DROP INDEX s.i; CREATE UNIQUE INDEX i ON s.t (v)",
                "DROP INDEX s.i; CREATE INDEX i ON s.t (v)",
                "INDEX s.i differs",
            ),
            (
                "CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
                "CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                "FUNCTION s.f() differs",
            ),
            (
                "ALTER TYPE s.e RENAME VALUE 'a' TO 'b'",
                "ALTER TYPE s.e RENAME VALUE 'b' TO 'a'",
                "enum s.e lacks",
            ),
            (
                "ALTER SEQUENCE s.q INCREMENT 2",
                "ALTER SEQUENCE s.q INCREMENT 1",
                "SEQUENCE s.q differs",
            ),
            (
                "ALTER POLICY p ON s.t USING (id > 1)",
                "ALTER POLICY p ON s.t USING (id > 0)",
                "POLICY s.t p differs",
            ),
            (
                "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY",
                "ALTER TABLE s.t DISABLE ROW LEVEL SECURITY",
                "ROW SECURITY s.t is only on the target",
            ),
            (
                "ALTER TABLE s.t DISABLE TRIGGER tr",
                "ALTER TABLE s.t ENABLE TRIGGER tr",
                "TRIGGER s.t tr differs",
            ),
            (
                "ALTER DOMAIN s.d SET NOT NULL",
                "ALTER DOMAIN s.d DROP NOT NULL",
                "type s.d is (integer; CHECK",
            ),
            (
                "CREATE RULE r AS ON DELETE TO s.t DO INSTEAD NOTHING",
                "DROP RULE r ON s.t",
                "RULE s.t r is only on the target",
            ),
        ] {
            db.on_target(there)?;
            begin(&[difference]).with_context(|| there.to_owned())?;
            db.on_target(back)?;
        }
        // A view of two versions may be the same in other words: said, and not refused. An addition and a remark neither.
        db.on_target("CREATE OR REPLACE VIEW s.v AS SELECT id FROM s.t WHERE id > 0")?;
        if target == 13 {
            begin(&["VIEW s.v differs"])?;
            db.on_target("CREATE OR REPLACE VIEW s.v AS SELECT id FROM s.t")?;
        }
        db.on_target("CREATE INDEX j ON s.t (w); COMMENT ON TABLE s.t IS 'here'")?;
        let out = setup(&db).run()?.expect(0)?;
        let said = words(&out.stderr);
        ensure!(said.contains("VIEW s.v") == (target == 17), "{said}");
        ensure!(said.contains("INDEX s.j"), "{said}");
    }
    Ok(())
}

/// As one line, without what JSON does to quotes.
fn words(text: &str) -> String {
    (text.replace("\\\"", "\"").split_whitespace())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_schema_of_somebody_else_named_pgl() -> Result<()> {
    let db = shared_pair(13, 17)?.database("foreign_pgl")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA pgl; CREATE TABLE pgl.marker (theirs int)")?;
    let out = setup(&db).run()?;
    ensure!(
        matches!(out.code(), Some(5 | 6)),
        "{:?}\n{}",
        out.code(),
        out.stdout
    );
    ensure!(db.on_source("SELECT count(*) FROM pgl.marker")?.len() == 1);
    Ok(())
}

#[test]
fn two_operators_at_once() -> Result<()> {
    let db = shared_pair(13, 17)?.database("twice")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    // A writer that is not done keeps the first run waiting for its slot.
    let mut writer = db.source_client()?;
    writer.batch_execute("BEGIN; CREATE TEMP TABLE x AS SELECT txid_current()")?;
    let first = setup(&db).arg("-v").start()?;
    while !first.stderr_so_far().contains("pgl-setup: copy\n") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let out = setup(&db).run()?.expect(5)?;
    ensure!(
        out.stderr
            .contains("another run holds the lock of migration"),
        "{}",
        out.stderr
    );
    writer.batch_execute("COMMIT")?;
    first.wait(super::support::PATIENCE)?.expect(0)?;
    Ok(())
}

#[test]
fn missing_roles_and_failing_objects_are_named() -> Result<()> {
    let db = shared_pair(13, 17)?.database("roles")?;
    let role = db.role("only_source");
    db.on_source(&format!("CREATE ROLE \"{role}\"; CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); GRANT SELECT ON t, u TO \"{role}\""))?;
    let out = setup(&db).run()?;
    ensure!(out.code() != Some(0), "{}", out.stdout);
    ensure!(out.stdout.contains(&role), "{}", out.stdout);
    let out = setup(&db)
        .args([
            "--roles",
            "skip",
            "--force",
            "role.missing_on_target",
            "--format",
            "text",
        ])
        .run()?
        .expect(0)?;
    ensure!(out.stdout.contains("for want of roles"), "{}", out.stdout);
    db.on_target(&format!("CREATE ROLE \"{role}\""))?;
    setup(&db).run()?.expect(0)?;
    Ok(())
}

/// Names that read like the headers of an archive: their objects arrive like any other.
#[test]
fn a_schema_named_like_an_archive_header_arrives() -> Result<()> {
    let db = shared_pair(13, 17)?.database("headers")?;
    db.on_source(
        "CREATE SCHEMA \"x; Type: SUBSCRIPTION; Schema: -; Owner: y\"; \
         CREATE TABLE \"x; Type: SUBSCRIPTION; Schema: -; Owner: y\".t (id int PRIMARY KEY); \
         INSERT INTO \"x; Type: SUBSCRIPTION; Schema: -; Owner: y\".t VALUES (7); \
         CREATE SCHEMA \"pgl; Owner: z\"; CREATE TABLE \"pgl; Owner: z\".u (id int PRIMARY KEY)",
    )?;
    setup(&db).run()?.expect(0)?;
    let rows = "SELECT id FROM \"x; Type: SUBSCRIPTION; Schema: -; Owner: y\".t \
                UNION ALL SELECT count(*) FROM \"pgl; Owner: z\".u ORDER BY 1";
    ensure!(db.target().value(db.name(), rows)? == "0");
    same_rows(&db)
}

/// A step that another one has to come before says which, and changes nothing.
#[test]
fn steps_before_their_turn_name_the_missing_one() -> Result<()> {
    let db = shared_pair(13, 17)?.database("early")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    for (step, missing) in [
        ("source.node", "source.extension"),
        ("source.grants", "source.extension"),
        ("source.sets", "source.node"),
        ("target.schema", "target.marker"),
        ("target.node", "target.extension"),
        ("copy", "source.sets"),
        ("target.keys", "target.marker"),
        ("target.triggers", "target.marker"),
        ("target.subscription", "copy"),
        ("target.matviews", "target.schema"),
        ("target.analyze", "target.schema"),
        ("target.foreign-keys", "target.schema"),
    ] {
        let out = setup(&db).args(["--step", step]).run()?.expect(5)?;
        let document = out.document()?;
        ensure!(state(&document, step)? == "failed", "{document:#}");
        ensure!(
            out.stdout
                .contains(&format!("step {step} comes after step {missing}")),
            "{step}: {}",
            out.stdout
        );
    }
    untouched(&db)
}

/// A dry run looks as a run does.
#[test]
fn a_dry_run_says_what_is_done_and_what_would_be_refused() -> Result<()> {
    let db = shared_pair(13, 17)?.database("dry_again")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")?;
    setup(&db)
        .args(["--until", "target.schema"])
        .run()?
        .expect(0)?;
    let half = setup(&db).arg("--dry-run").run()?.expect(0)?.document()?;
    for (step, expected) in [
        ("source.sets", "already"),
        ("target.schema", "already"),
        ("target.node", "planned"),
        ("copy", "planned"),
        ("target.keys", "planned"),
        ("target.subscription", "planned"),
    ] {
        ensure!(state(&half, step)? == expected, "{step}: {half:#}");
    }
    setup(&db).run()?.expect(0)?;
    let full = setup(&db).arg("--dry-run").run()?.expect(0)?.document()?;
    let steps = full["steps"].as_array().map_or(0, Vec::len);
    ensure!(steps > 15, "{full:#}");
    for step in full["steps"].as_array().into_iter().flatten() {
        let state = step["state"].as_str().unwrap_or_default();
        ensure!(
            matches!(state, "already" | "skipped") || step["id"] == "guard",
            "{step:#}"
        );
    }
    db.on_target(&format!(
        "SELECT pglogical.drop_subscription('pgl_{}')",
        db.name()
    ))?;
    let refused = setup(&db).arg("--dry-run").run()?.expect(5)?.document()?;
    ensure!(state(&refused, "copy")? == "refused", "{refused:#}");
    ensure!(refused["verdict"] == "refused", "{refused:#}");
    Ok(())
}
