//! Large objects, which replication does not carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use pgl_testkit::{Cluster, PairDb};

use super::support::{PAIRS, cutover, replicating, roles};

/// Everything about them, read independently.
fn all(cluster: &Cluster, db: &PairDb) -> Result<Vec<Vec<Option<String>>>> {
    cluster.sql(
        db.name(),
        "SELECT oid, lomowner::regrole::text, length(lo_get(oid)), md5(lo_get(oid)),
                (SELECT string_agg(a.grantee::regrole || a.privilege_type || a.is_grantable, ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
                   FROM aclexplode(lomacl) a),
                obj_description(oid, 'pg_largeobject')
           FROM pg_largeobject_metadata ORDER BY oid",
    )
}

/// Somebody changes them all the time, makes new ones and removes others, until nobody may.
fn change(db: &PairDb, stop: Arc<AtomicBool>) -> Result<std::thread::JoinHandle<u32>> {
    let mut client = db.source_client()?;
    Ok(std::thread::spawn(move || {
        let mut done = 0;
        while !stop.load(Ordering::SeqCst) {
            let sql = format!(
                "BEGIN; SELECT lo_put(1000, {}, 'changed'); SELECT lo_from_bytea(0, 'new {done}');
                 SELECT lo_unlink(oid) FROM (SELECT oid FROM pg_largeobject_metadata WHERE oid > 20000 ORDER BY random() LIMIT 1) x
                  WHERE {done} % 3 = 0; COMMIT",
                done * 7
            );
            if client.batch_execute(&sql).is_err() {
                break;
            }
            done += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        done
    }))
}

#[test]
fn large_objects_arrive_as_they_were_at_the_last_moment() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "large")?;
        let (app, stubborn) = roles(&db)?;
        db.on_source(&format!(
            "SELECT lo_create(1000);
             SELECT lo_from_bytea(1001, decode(repeat('0123456789abcdef', 200000), 'hex'));
             SELECT lo_create(1002);
             SELECT lo_put(1002, 5000000, 'behind a hole');
             COMMENT ON LARGE OBJECT 1002 IS 'it''s hollow';
             ALTER LARGE OBJECT 1001 OWNER TO \"{app}\";
             REVOKE UPDATE ON LARGE OBJECT 1001 FROM \"{app}\";
             GRANT SELECT ON LARGE OBJECT 1001 TO \"{stubborn}\" WITH GRANT OPTION"
        ))?;
        // They are never left behind without a word.
        let refused = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        ensure!(
            refused["refusals"][0]["id"] == "cut.large_objects",
            "{refused:#}"
        );
        let stop = Arc::new(AtomicBool::new(false));
        let writer = change(&db, Arc::clone(&stop))?;
        std::thread::sleep(Duration::from_millis(200));
        cutover(&db)
            .args(["rehearse", "--yes", "--large-objects"])
            .run()?
            .expect(0)?;
        let first = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
        // As many on both sides, and not the same.
        let refused = cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?;
        ensure!(
            refused["refusals"][0]["id"] == "cut.large_objects",
            "{refused:#}"
        );
        // The rehearsal has ended its session; a new one goes on changing what was brought.
        let writer = change(&db, Arc::clone(&stop))?;
        std::thread::sleep(Duration::from_millis(200));
        let document = cutover(&db)
            .args(["--yes", "--large-objects"])
            .run()?
            .expect(0)?
            .json()?;
        stop.store(true, Ordering::SeqCst);
        let second = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
        ensure!(
            first > 3 && second > 3,
            "{first} and {second} changes: nothing was tested"
        );
        let (left, right) = (all(db.source(), &db)?, all(db.target(), &db)?);
        ensure!(left.len() > 5, "{left:?}");
        ensure!(left == right, "{left:#?}\n{right:#?}\n{document:#}");
    }
    Ok(())
}

/// An object of somebody else's on the target is not touched, and stops the cutover before anybody waits.
#[test]
fn a_large_object_of_the_target_alone_is_not_removed() -> Result<()> {
    let db = replicating(13, 17, "foreign")?;
    db.on_source("SELECT lo_from_bytea(1000, 'mine')")?;
    db.on_target("SELECT lo_from_bytea(2000, 'theirs')")?;
    let out = cutover(&db)
        .args(["--yes", "--large-objects"])
        .run()?
        .expect(5)?;
    ensure!(out.stderr.contains("2000"), "{}", out.stderr);
    ensure!(
        db.on_target("SELECT convert_from(lo_get(2000), 'UTF8')")? == [[Some("theirs".to_owned())]]
    );
    Ok(())
}
