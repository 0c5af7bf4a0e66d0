//! Tables that pgl-control has removed from replication: the target has no newer rows of them.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Tool};

use super::support::{
    PAIRS, PATIENCE, cutover, overriding, overriding_target, refused_with, replicating_with, same,
};

fn control(db: &PairDb, args: &[&str]) -> Result<()> {
    Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .args(args)
        .limit(PATIENCE)
        .run()?
        .expect(0)?;
    Ok(())
}

const TRIGGERS: &str =
    "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write' AND tgrelid = 'k'::regclass";

#[test]
fn a_table_that_was_removed_from_replication_is_not_forgotten() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(
            source,
            target,
            "removed",
            "CREATE TABLE k (id int PRIMARY KEY, v text); INSERT INTO k VALUES (1, 'old')",
        )?;
        control(&db, &["remove-table", "k", "--yes"])?;
        db.on_source("UPDATE k SET v = 'new'")?;
        let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        let all = out["refusals"].to_string();
        ensure!(
            out["refusals"][0]["id"] == "cut.left_out"
                && all.contains("only on the source: public.k")
                && all.contains("pgl-control add-table TABLE --yes"),
            "{out:#}"
        );

        // The hint, and what was asked for.
        control(&db, &["add-table", "k", "--yes"])?;
        cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
        same(&db, &["k"])?;
        ensure!(db.target().value(db.name(), TRIGGERS)? == "1");
        control(&db, &["remove-table", "k", "--yes"])?;
        db.on_source("UPDATE k SET v = 'newer'; GRANT SELECT ON k TO PUBLIC")?;
        let by_force = ["--reverse", "--yes", "--force", "cut.left_out"];
        let out = cutover(&db).args(by_force).run()?.expect(5)?.json()?;
        ensure!(out["refusals"][0]["id"] == "cut.rights", "{out:#}");
        overriding_target(&db)?.batch_execute("GRANT SELECT ON k TO PUBLIC")?;
        let out = cutover(&db).args(by_force).run()?.expect(0)?.json()?;
        ensure!(
            out["notes"]
                .to_string()
                .contains("the rows of the source are not on the target: public.k"),
            "{out:#}"
        );
        // Writes that would be lost are refused, of whoever overrides the setting, too.
        let refused = overriding(&db)?.batch_execute("UPDATE k SET v = 'lost'");
        ensure!(refused_with(refused)? == "25006");
        db.on_target("UPDATE k SET v = 'target'")?;

        let out = cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
        let out = out.json()?;
        ensure!(
            out["refusals"][0]["id"] == "cut.left_out"
                && out["refusals"]
                    .to_string()
                    .contains("only on the target: public.k"),
            "{out:#}"
        );
        cutover(&db)
            .args(["rollback", "--yes", "--force", "cut.left_out"])
            .run()?
            .expect(0)?;
        db.on_source("UPDATE k SET v = 'source'")?;
        ensure!(db.source().value(db.name(), TRIGGERS)? == "0");
    }
    Ok(())
}
