//! Many switches, there and back, under one load. `PGL_CUTOVERS` says how many; the pauses that a client
//! saw are printed (`--nocapture`).

use std::time::Duration;

use anyhow::{Result, ensure};
use pgl_testkit::load::{Load, Probe};

use super::support::{PAIRS, cutover, either, go_on, replicating, roles};

#[test]
fn there_and_back_again_and_nothing_is_lost_or_doubled() -> Result<()> {
    let count: usize = std::env::var("PGL_CUTOVERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    for (source, target) in PAIRS {
        let db = replicating(source, target, "soak")?;
        let (app, stubborn) = roles(&db)?;
        let mut writers = Load::new()
            .workers(8)
            .pace(Duration::from_millis(20))
            .start(&[either(&db, &app), either(&db, &stubborn)])?;
        writers = go_on(writers, 100)?;
        let (mut seen, mut said) = (Vec::new(), Vec::new());
        for round in 0..count {
            let probe = Probe::start(&either(&db, &app));
            writers = go_on(writers, 50)?;
            let tool = match round % 2 {
                0 => cutover(&db).args(["--yes", "--reverse"]),
                _ => cutover(&db).args(["rollback", "--yes"]),
            };
            let document = tool.run()?.expect(0)?.json()?;
            writers = go_on(writers, 50)?;
            let pause = probe.stop()?;
            let home = if round % 2 == 0 {
                db.target_client()
            } else {
                db.source_client()
            };
            ensure!(pause.missing(&mut home?)? == 0, "round {round}");
            // The next probe begins with the same numbers.
            let truncate = "TRUNCATE load.beat";
            if round % 2 == 0 {
                db.on_target(truncate)?
            } else {
                db.on_source(truncate)?
            };
            seen.push(pause.longest.as_millis());
            said.push((document["pause_seconds"].as_f64().unwrap_or_default() * 1000.0).round());
        }
        let ledger = writers.stop()?;
        let mut home = if count % 2 == 1 {
            db.target_client()?
        } else {
            db.source_client()?
        };
        ledger.check(&mut home)?;
        seen.sort_unstable();
        let at = |part: usize| {
            seen.get((seen.len() * part / 100).min(seen.len().saturating_sub(1)))
                .copied()
        };
        println!(
            "{source}→{target}: {count} switches, {} transactions; a client saw (ms) median {:?}, 95th {:?}, all {seen:?}; the tool said {said:?}",
            ledger.acknowledged(),
            at(50),
            at(95)
        );
    }
    Ok(())
}
