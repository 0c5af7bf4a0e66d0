//! Changes that were written while a table of the source had no replica identity, or another one: the apply worker does not
//! find their rows, and says nothing.

use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{Load, Writers};
use pgl_testkit::{Cluster, PairDb, Tool};

use super::support::{
    AtHook, PAIRS, PATIENCE, cutover, either, go_on, overriding, overriding_target, replicating,
    replicating_with, roles, same, writes_within,
};

/// A table for each way in which a change gets lost.
const TABLES: &str = "
    CREATE TABLE by_key (id int PRIMARY KEY, v text);
    CREATE TABLE by_none (id int PRIMARY KEY, v text);
    CREATE TABLE other_key (id int NOT NULL, n int NOT NULL, CONSTRAINT k PRIMARY KEY (id));
    CREATE TABLE by_index (id int NOT NULL, n int NOT NULL);
    CREATE UNIQUE INDEX by_index_id ON by_index (id);
    CREATE UNIQUE INDEX by_index_n ON by_index (n);
    ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id;
    CREATE TABLE turned (id int NOT NULL UNIQUE, n int NOT NULL UNIQUE);
    ALTER TABLE turned REPLICA IDENTITY USING INDEX turned_id_key;
    CREATE TABLE columns (id int PRIMARY KEY, a text, b text);
    CREATE TABLE one (id int PRIMARY KEY, v text);
    CREATE TABLE two (id int PRIMARY KEY, v text);
    INSERT INTO columns SELECT g, 'a', 'b' FROM generate_series(1, 100) g;
    INSERT INTO one SELECT g, 'one' FROM generate_series(1, 100) g;
    INSERT INTO two SELECT g, 'two' FROM generate_series(1, 100) g;
    CREATE TYPE mood AS ENUM ('low', 'high');
    CREATE DOMAIN moods AS mood[];
    CREATE TABLE labelled (id int PRIMARY KEY, m moods);
    INSERT INTO labelled SELECT g, ARRAY['low', 'high']::mood[] FROM generate_series(1, 100) g;
    CREATE TYPE pair AS (a int, b int);
    CREATE TABLE attributes (id int PRIMARY KEY, p pair);
    INSERT INTO attributes SELECT g, ROW(g, -g)::pair FROM generate_series(1, 100) g;
    INSERT INTO by_key SELECT g, 'v' FROM generate_series(1, 100) g;
    INSERT INTO by_none SELECT g, 'v' FROM generate_series(1, 100) g;
    INSERT INTO other_key SELECT g, g FROM generate_series(1, 100) g;
    INSERT INTO by_index SELECT g, g FROM generate_series(1, 100) g;
    INSERT INTO turned SELECT g, g FROM generate_series(1, 100) g;
    ANALYZE";

/// The table, what is done on the source, and what on the target so that the definitions are the same.
const LOSSES: [(&str, &[&str], &str); 12] = [
    (
        "by_key",
        &[
            "ALTER TABLE by_key DROP CONSTRAINT by_key_pkey",
            "UPDATE by_key SET id = 1000 WHERE id = 10",
            "ALTER TABLE by_key ADD PRIMARY KEY (id)",
        ],
        "",
    ),
    (
        "by_none",
        &[
            "ALTER TABLE by_none REPLICA IDENTITY NOTHING",
            "DELETE FROM by_none WHERE id = 20",
            "ALTER TABLE by_none REPLICA IDENTITY DEFAULT",
        ],
        "",
    ),
    (
        "other_key",
        &[
            "ALTER TABLE other_key DROP CONSTRAINT k",
            "UPDATE other_key SET n = 1000 WHERE n = 30",
            "DELETE FROM other_key WHERE n = 31",
            "ALTER TABLE other_key ADD CONSTRAINT k PRIMARY KEY (n)",
        ],
        "ALTER TABLE other_key DROP CONSTRAINT k; ALTER TABLE other_key ADD CONSTRAINT k PRIMARY KEY (n)",
    ),
    (
        "by_index",
        &[
            "DROP INDEX by_index_id",
            "UPDATE by_index SET id = 1000 WHERE id = 40",
            "CREATE UNIQUE INDEX by_index_id ON by_index (id)",
            "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id",
        ],
        "",
    ),
    (
        "turned",
        &[
            "ALTER TABLE turned REPLICA IDENTITY USING INDEX turned_n_key",
            "UPDATE turned SET id = 1000 WHERE id = 50",
            "ALTER TABLE turned REPLICA IDENTITY USING INDEX turned_id_key",
        ],
        "",
    ),
    (
        "turned",
        &[
            "BEGIN; ALTER TABLE turned REPLICA IDENTITY NOTHING; DELETE FROM turned WHERE id = 60;
             ALTER TABLE turned REPLICA IDENTITY USING INDEX turned_id_key; COMMIT",
        ],
        "",
    ),
    (
        "by_key",
        &[
            "SELECT pglogical.replication_set_remove_table('default', 'by_key')",
            "UPDATE by_key SET v = 'lost' WHERE id = 70",
            "SELECT pglogical.replication_set_add_table('default', 'by_key')",
        ],
        "",
    ),
    (
        "by_none",
        &[
            "SELECT pglogical.alter_replication_set('default', replicate_delete := false)",
            "DELETE FROM by_none WHERE id = 80",
            "SELECT pglogical.alter_replication_set('default', replicate_delete := true)",
        ],
        "",
    ),
    (
        "columns",
        &[
            "ALTER TABLE columns RENAME a TO x",
            "ALTER TABLE columns RENAME b TO a",
            "ALTER TABLE columns RENAME x TO b",
        ],
        "",
    ),
    (
        "columns",
        &[
            "ALTER TABLE columns DROP a",
            "ALTER TABLE columns ADD a text",
        ],
        "",
    ),
    (
        "labelled",
        &[
            "ALTER TYPE mood RENAME VALUE 'low' TO 'x'; ALTER TYPE mood RENAME VALUE 'high' TO 'low'; ALTER TYPE mood RENAME VALUE 'x' TO 'high'",
        ],
        "",
    ),
    (
        "labelled",
        &["ALTER TYPE mood RENAME VALUE 'high' TO 'higher'"],
        "ALTER TYPE mood ADD VALUE 'higher'",
    ),
];

/// What helps is the same on the other side: values are copied by position.
const EXCHANGED_ATTRIBUTES: &str = "ALTER TYPE pair RENAME ATTRIBUTE a TO x; ALTER TYPE pair RENAME ATTRIBUTE b TO a; ALTER TYPE pair RENAME ATTRIBUTE x TO b";

fn resync(db: &PairDb, table: &str) -> Result<()> {
    let tool = Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .args(["resync", table, "--yes"])
        .limit(PATIENCE);
    tool.run()?.expect(0).map(drop)
}

/// Writers on tables of their own, in whichever database accepts writes.
fn load_beside(db: &PairDb) -> Result<Writers> {
    let (app, stubborn) = roles(db)?;
    let writers = Load::new().start(&[either(db, &app), either(db, &stubborn)])?;
    go_on(writers, 50)
}

/// They still write, and nothing of theirs is missing.
fn nothing_lost(db: &PairDb, on: &Cluster, writers: Writers) -> Result<()> {
    let ledger = go_on(writers, 50)?.stop()?;
    ledger.check(&mut on.client(db.name())?)
}

#[test]
fn what_was_written_without_the_replica_identity_rolls_the_cutover_back() -> Result<()> {
    for (turn, (source, target)) in PAIRS.into_iter().enumerate() {
        let db = replicating_with(source, target, "no_identity", TABLES)?;
        let writers = load_beside(&db)?;
        // Some of it leaves definitions that differ: the rows have to be looked at, too.
        let attempt = || {
            cutover(&db)
                .args(["--yes", "--force", "cut.definitions"])
                .run()
        };
        // Each on one of the pairs.
        for (table, losing, on_target) in LOSSES.into_iter().skip(turn).step_by(PAIRS.len()) {
            for sql in losing {
                db.on_source(sql).with_context(|| sql.to_owned())?;
            }
            if !on_target.is_empty() {
                overriding_target(&db)?.batch_execute(on_target)?;
            }
            let out = attempt()?;
            let document = out.json()?;
            ensure!(
                document["state"] == "restored"
                    && document["error"]
                        .to_string()
                        .contains(&format!("public.{table}")),
                "{losing:?}: {document:#}"
            );
            out.expect(5)?;
            resync(&db, table)?;
        }
        db.on_source(EXCHANGED_ATTRIBUTES)?;
        let out = attempt()?.expect(5)?.json()?;
        let error = out["error"].to_string();
        ensure!(error.contains("public.attributes"), "{out:#}");
        overriding_target(&db)?.batch_execute(EXCHANGED_ATTRIBUTES)?;
        attempt()?.expect(0)?;
        nothing_lost(&db, db.target(), writers)?;
        same(
            &db,
            &[
                "by_key",
                "by_none",
                "other_key",
                "by_index",
                "turned",
                "labelled",
                "attributes",
            ],
        )?;
    }
    Ok(())
}

/// Replication sets know tables by OID, the target knows them by name: nothing is in the WAL of this.
#[test]
fn tables_that_have_exchanged_their_names_roll_the_cutover_back() -> Result<()> {
    const EXCHANGE: &str =
        "ALTER TABLE one RENAME TO x; ALTER TABLE two RENAME TO one; ALTER TABLE x RENAME TO two;
         ALTER INDEX one_pkey RENAME TO x; ALTER INDEX two_pkey RENAME TO one_pkey; ALTER INDEX x RENAME TO two_pkey";
    let (source, target) = PAIRS[0];
    let db = replicating_with(source, target, "exchanged", TABLES)?;
    let writers = load_beside(&db)?;
    db.on_source(EXCHANGE)?;
    let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
    let error = out["error"].to_string();
    ensure!(
        error.contains("public.one") && error.contains("public.two"),
        "{out:#}"
    );
    writes_within(&db, PATIENCE)?;
    db.on_source(EXCHANGE)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    nothing_lost(&db, db.target(), writers)?;
    same(&db, &["one", "two"])
}

/// The plan says that each table is too large to be compared while writes are blocked.
fn as_if_large(db: &PairDb) -> Result<()> {
    let changed = overriding_target(db)?.execute(
        r#"UPDATE pgl.journal SET detail = regexp_replace(detail::text, '"bytes": ?[0-9]+', '"bytes": 999999999999', 'g')::json
            WHERE step = 'guard' AND object = 'plan'"#,
        &[],
    )?;
    ensure!(changed == 1, "{changed} plans");
    Ok(())
}

/// What is so when the preconditions are read needs no write block to be found.
#[test]
fn what_is_not_replicated_now_is_named_before_writes_are_blocked() -> Result<()> {
    let db = replicating(13, 17, "named")?;
    for (change, back, says) in [
        (
            "ALTER TABLE child SET UNLOGGED",
            "ALTER TABLE child SET LOGGED",
            "public.child (it is UNLOGGED)",
        ),
        (
            "ALTER TABLE child REPLICA IDENTITY NOTHING",
            "ALTER TABLE child REPLICA IDENTITY DEFAULT",
            "public.child (it has no replica identity)",
        ),
        (
            "SELECT pglogical.replication_set_remove_table('default', 'child'),
                    pglogical.replication_set_add_table('default', 'child', false, null, 'id < 10')",
            "SELECT pglogical.replication_set_remove_table('default', 'child'), pglogical.replication_set_add_table('default', 'child')",
            "has a row filter for it",
        ),
        (
            "SELECT pglogical.replication_set_remove_table('default', 'child'),
                    pglogical.replication_set_add_table('default', 'child', false, '{id}')",
            "SELECT pglogical.replication_set_remove_table('default', 'child'), pglogical.replication_set_add_table('default', 'child')",
            "has not all of its columns",
        ),
        (
            "SELECT pglogical.alter_replication_set('default', replicate_delete := false)",
            "SELECT pglogical.alter_replication_set('default', replicate_delete := true)",
            "does not replicate DELETE",
        ),
    ] {
        db.on_source(change)?;
        let document = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        let found = document["refusals"].to_string().replace('\\', "");
        ensure!(
            document["pause_seconds"].is_null() && found.contains(says),
            "{document:#}"
        );
        db.on_source(back)?;
    }
    Ok(())
}

/// A type that is wider on the source for a while rewrites nothing there, and nothing on the target either when it follows.
#[test]
fn values_that_were_applied_to_another_type_are_compared() -> Result<()> {
    for (source, target) in PAIRS {
        let table = "CREATE TABLE typed (id int PRIMARY KEY, memo text, n numeric(10,2)); INSERT INTO typed VALUES (1, 'x', 1)";
        let db = replicating_with(source, target, "typed", table)?;
        let wider = "ALTER TABLE typed ALTER n TYPE numeric";
        db.on_source(wider)?;
        db.on_source("INSERT INTO typed VALUES (2, 'x', 1.23456)")?;
        db.target()
            .wait_until(db.name(), "SELECT count(*) = 2 FROM typed", PATIENCE)?;
        overriding_target(&db)?.batch_execute(wider)?;
        let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        ensure!(
            out["state"] == "restored" && out["error"].to_string().contains("public.typed"),
            "{out:#}"
        );
        resync(&db, "typed")?;
        cutover(&db).arg("--yes").run()?.expect(0)?;
        same(&db, &["typed"])?;
    }
    Ok(())
}

/// What has lost nothing is no reason to stop, and a primary key's REINDEX not even one to compare the table.
#[test]
fn a_reindexed_identity_and_other_harmless_ddl_do_not_block_the_cutover() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "reindexed", TABLES)?;
        for sql in [
            "REINDEX TABLE by_index",
            "REINDEX TABLE CONCURRENTLY by_index",
            "ALTER TABLE by_none REPLICA IDENTITY FULL",
            "UPDATE by_none SET id = 1000 WHERE id = 10",
            "ALTER TABLE by_none REPLICA IDENTITY DEFAULT",
            "ALTER TABLE turned SET (fillfactor = 90)",
        ] {
            db.on_source(sql).with_context(|| sql.to_owned())?;
        }
        db.on_target("ALTER TABLE turned SET (fillfactor = 90)")?;
        cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;

        as_if_large(&db)?;
        for table in ["by_index", "by_none", "turned"] {
            resync(&db, table)?;
        }
        for sql in [
            "REINDEX TABLE by_key",
            "REINDEX TABLE CONCURRENTLY by_key",
            "REINDEX INDEX turned_id_key",
            "VACUUM ANALYZE by_key",
        ] {
            db.on_source(sql).with_context(|| sql.to_owned())?;
        }
        cutover(&db).arg("--dry-run").run()?.expect(0)?;
        db.on_source("ALTER TABLE by_key REPLICA IDENTITY NOTHING")?;
        db.on_source("ALTER TABLE by_key REPLICA IDENTITY DEFAULT")?;
        let out = cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?;
        let found = &out["refusals"][0];
        ensure!(
            found["id"] == "cut.rewritten" && found["what"].to_string().contains("public.by_key"),
            "{out:#}"
        );
        // What the hint says.
        resync(&db, "by_key")?;
        cutover(&db).arg("--yes").run()?.expect(0)?;
        same(&db, &["by_key", "by_none", "by_index", "turned"])?;
    }
    Ok(())
}

/// After the preconditions were checked: before writes are blocked, and by a session that overrides the block.
#[test]
fn a_replica_identity_that_is_turned_during_an_attempt_rolls_it_back() -> Result<()> {
    const TURN: [&str; 3] = [
        "ALTER TABLE by_none REPLICA IDENTITY NOTHING",
        "DELETE FROM by_none WHERE id = 20",
        "ALTER TABLE by_none REPLICA IDENTITY DEFAULT",
    ];
    let (source, target) = PAIRS[1];
    let db = replicating_with(source, target, "turned", TABLES)?;
    let tool = cutover(&db).args(["--yes", "--block", "hook"]);
    let at = AtHook::start(tool, "--hook-blocked")?;
    let mut client = overriding(&db)?;
    for sql in TURN {
        client.batch_execute(sql).with_context(|| sql.to_owned())?;
    }
    let out = at.go()?.expect(5)?.json()?;
    ensure!(
        out["error"]
            .to_string()
            .contains("source table public.by_none was altered"),
        "{out:#}"
    );
    writes_within(&db, PATIENCE)?;
    resync(&db, "by_none")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    same(&db, &["by_none"])
}

/// The same on the promoted target: the rollback copies such a table again, and no other that has a replica identity.
#[test]
fn what_was_written_on_the_target_without_the_replica_identity_is_copied_back() -> Result<()> {
    const LOST: [(&str, &[&str]); 3] = [
        (
            "by_key",
            &[
                "ALTER TABLE by_key DROP CONSTRAINT by_key_pkey",
                "UPDATE by_key SET id = 1000 WHERE id = 10",
                "ALTER TABLE by_key ADD PRIMARY KEY (id)",
            ],
        ),
        (
            "by_none",
            &[
                "ALTER TABLE by_none REPLICA IDENTITY NOTHING",
                "DELETE FROM by_none WHERE id = 20",
                "ALTER TABLE by_none REPLICA IDENTITY DEFAULT",
            ],
        ),
        (
            "one",
            &["ALTER TABLE one RENAME TO x; ALTER TABLE two RENAME TO one; ALTER TABLE x RENAME TO two;
               ALTER INDEX one_pkey RENAME TO x; ALTER INDEX two_pkey RENAME TO one_pkey; ALTER INDEX x RENAME TO two_pkey"],
        ),
    ];
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "lost_there", TABLES)?;
        let writers = load_beside(&db)?;
        for lost in [&LOST[..0], &LOST[..]] {
            cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
            for sql in lost.iter().flat_map(|(_, all)| *all) {
                db.on_target(sql).with_context(|| (*sql).to_owned())?;
            }
            db.on_target("UPDATE turned SET n = n + 1000 WHERE id = 50")?;
            let back = cutover(&db)
                .args(["rollback", "--yes"])
                .run()?
                .expect(0)?
                .json()?;
            let copied = back["recopied"].to_string();
            for (table, _) in &LOST {
                let named = copied.contains(&format!("\"public.{table}\""));
                ensure!(named != lost.is_empty(), "{table}: {copied}");
            }
            ensure!(!copied.contains("\"public.turned\""), "{copied}");
            same(
                &db,
                &[
                    "by_key",
                    "by_none",
                    "other_key",
                    "by_index",
                    "turned",
                    "one",
                    "two",
                ],
            )?;
        }
        nothing_lost(&db, db.source(), writers)?;
    }
    Ok(())
}
