//! Clients behind a real pgbouncer, moved by the example hook: they wait, and go on at the target.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use pgl_testkit::Bouncer;
use pgl_testkit::load::{Load, Probe};

use super::support::{cutover, go_on, replicating, roles};

#[test]
fn clients_of_a_pooler_wait_and_go_on_at_the_target() -> Result<()> {
    let db = replicating(13, 17, "pooled")?;
    let (app, _) = roles(&db)?;
    let bouncer = Bouncer::start(db.source(), db.name(), &app, "session")?;
    let through = bouncer.dsn(&app);
    let writers = Load::new()
        .workers(3)
        .start(std::slice::from_ref(&through))?;
    let probe = Probe::start(&through);
    let writers = go_on(writers, 100)?;
    let hook = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/hooks/pgbouncer.sh");
    let tool = cutover(&db)
        .args(["--yes", "--hook-promoted"])
        .arg(format!("{} cutover", hook.display()))
        .envs(bouncer.hook_env(db.target(), &app));
    tool.run()?.expect(0)?;
    let writers = go_on(writers, 100)?;
    let ledger = writers.stop()?;
    let pause = probe.stop()?;
    ledger.check(&mut db.target_client()?)?;
    ensure!(pause.missing(&mut db.target_client()?)? == 0);
    Ok(())
}
