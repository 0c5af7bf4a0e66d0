//! A migration that replicates, the tool on it, and what both sides say.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use pgl_testkit::{Cluster, Outcome, PairDb, Running, Tool, load, shared_pair, texts};

pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The pairs of majors that every test of the cutover runs on.
pub(super) const PAIRS: [(u16, u16); 2] = [(13, 17), (15, 18)];

/// Beside what the writers use: a foreign key, a table without a key, an unlogged one.
const TABLES: &str = "
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (id serial PRIMARY KEY, parent int NOT NULL REFERENCES parent);
    INSERT INTO parent SELECT generate_series(1, 1000);
    INSERT INTO child (parent) SELECT 1 + n % 1000 FROM generate_series(1, 3000) n;
    CREATE TABLE keyless (a int, b text);
    INSERT INTO keyless SELECT n, 'x' FROM generate_series(1, 400) n;
    UPDATE keyless SET b = 'y' WHERE a < 10;
    DELETE FROM keyless WHERE a > 390;
    CREATE UNLOGGED TABLE scratch (id bigserial PRIMARY KEY, v text);
    INSERT INTO scratch (v) SELECT 'v' FROM generate_series(1, 50);
    ANALYZE;";

/// A migration after pgl-setup.
pub(super) fn replicating(source: u16, target: u16, hint: &str) -> Result<PairDb> {
    replicating_with(source, target, hint, "SELECT 1")
}

/// The same, with more in the source's database.
pub(super) fn replicating_with(source: u16, target: u16, hint: &str, more: &str) -> Result<PairDb> {
    let db = shared_pair(source, target)?.database(hint)?;
    prepared(&db, more)?;
    Ok(db)
}

/// The same on databases that are there.
pub(super) fn prepared(db: &PairDb, more: &str) -> Result<()> {
    db.on_source(load::SCHEMA)?;
    db.on_source(TABLES)?;
    // The plan asks the statistics, which arrive a moment later.
    db.source().wait_until(
        db.name(),
        "SELECT n_tup_upd > 0 FROM pg_stat_user_tables WHERE relname = 'keyless'",
        PATIENCE,
    )?;
    db.on_source(more)?;
    setup(db).run()?.expect(0)?;
    Ok(())
}

/// pgl-setup on this migration.
pub(super) fn setup(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .envs(db.env())
        // That is tests/setup's.
        .arg("--no-trial")
        .limit(PATIENCE)
}

pub(super) fn cutover(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-cutover"))
        .envs(db.env())
        .limit(PATIENCE)
}

/// The `--terminate` options for the run that is alive, as a refusal names them.
pub(super) fn holders(refused: &Outcome) -> Result<Vec<String>> {
    ensure!(
        refused.stderr.contains("another run holds the lock")
            && refused.stderr.contains("connected from 127.0.0.1"),
        "{}",
        refused.stderr
    );
    let words: Vec<&str> = refused.stderr.split_whitespace().collect();
    let pids: Vec<String> = words
        .windows(2)
        .filter(|pair| pair[0] == "--terminate")
        .flat_map(|pair| pair.iter().map(|word| (*word).to_owned()))
        .collect();
    ensure!(!pids.is_empty(), "no process is named: {}", refused.stderr);
    Ok(pids)
}

/// Whichever server accepts writes, source first.
pub(super) fn either(db: &PairDb, role: &str) -> String {
    format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user={role} dbname={} target_session_attrs=read-write",
        db.source().port(),
        db.target().port(),
        db.name()
    )
}

/// Roles that log in, on both sides: an ordinary one, and one that overrides the database's setting.
pub(super) fn roles(db: &PairDb) -> Result<(String, String)> {
    let (app, stubborn) = (db.role("app"), db.role("stubborn"));
    for cluster in [db.source(), db.target()] {
        cluster.sql(
            db.name(),
            &format!(
                "CREATE ROLE \"{app}\" LOGIN; CREATE ROLE \"{stubborn}\" LOGIN;
                 ALTER ROLE \"{stubborn}\" SET default_transaction_read_only = off"
            ),
        )?;
    }
    Ok((app, stubborn))
}

/// Settings of the database and its roles, on the source.
pub(super) fn settings(db: &PairDb) -> Result<Vec<Vec<Option<String>>>> {
    settings_of(db.source(), db)
}

/// The same on either side.
pub(super) fn settings_of(cluster: &Cluster, db: &PairDb) -> Result<Vec<Vec<Option<String>>>> {
    cluster.sql(
        db.name(),
        "SELECT setrole::regrole::text, setconfig::text, (SELECT datacl::text FROM pg_database WHERE datname = current_database())
           FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
    )
}

/// How long it takes until an ordinary client of the source has written.
pub(super) fn writes_within(db: &PairDb, limit: Duration) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let done = db.source_client().and_then(|mut client| {
            Ok(client.batch_execute("SET lock_timeout = '200ms'; INSERT INTO keyless VALUES (0, 'again'); DELETE FROM keyless WHERE a = 0")?)
        });
        match done {
            Ok(()) => return Ok(started.elapsed()),
            Err(error) => ensure!(
                started.elapsed() < limit,
                "the source takes no writes: {error:#}"
            ),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the journal of one side says so; our own sessions may be ended in between.
pub(super) fn wait_for(cluster: &Cluster, db: &PairDb, condition: &str) -> Result<()> {
    let sql =
        format!("SELECT count(*) = 1 FROM pgl.journal WHERE step = 'cutover' AND {condition}");
    let started = Instant::now();
    loop {
        if cluster
            .value(db.name(), &sql)
            .is_ok_and(|answer| answer == "t")
        {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "never: {condition}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Waits for more transactions; where the load has ended, the reason is the error.
pub(super) fn go_on(writers: load::Writers, more: u64) -> Result<load::Writers> {
    match writers.wait_for(more, PATIENCE) {
        Ok(()) => Ok(writers),
        Err(error) => match writers.stop() {
            Ok(ledger) => Err(error.context(format!("refusals: {:?}", ledger.refusals()))),
            Err(why) => Err(why),
        },
    }
}

/// Tables that were carried, held against each other in full: only while nobody writes anywhere.
pub(super) fn same(db: &PairDb, tables: &[&str]) -> Result<()> {
    let (mut source, mut target) = (db.source_client()?, db.target_client()?);
    for table in tables {
        let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
        let (left, right) = (texts(&mut source, &sql)?, texts(&mut target, &sql)?);
        ensure!(
            left == right,
            "{table}: {} rows and {} rows, or other values",
            left.len(),
            right.len()
        );
    }
    Ok(())
}

/// Clients cannot write to the target, whatever has become of the attempt.
pub(super) fn target_is_shut(db: &PairDb) -> Result<()> {
    let outcome = db
        .target_client()?
        .batch_execute("INSERT INTO parent VALUES (-1)");
    let state = outcome
        .err()
        .and_then(|error| error.code().map(|code| code.code().to_owned()));
    ensure!(
        state.as_deref() == Some("25006"),
        "the target is open to clients: {state:?}"
    );
    Ok(())
}

/// After it was asked for, nothing of ours keeps anybody out of the target.
pub(super) fn opens_the_target(db: &PairDb) -> Result<()> {
    cutover(db)
        .args(["abort", "--open-target"])
        .run()?
        .expect(0)?;
    db.on_target("INSERT INTO parent VALUES (-1); DELETE FROM parent WHERE id = -1")?;
    Ok(())
}

/// A run that waits in one of its hooks.
pub(super) struct AtHook {
    running: Running,
    signs: tempfile::TempDir,
}

impl AtHook {
    /// Starts the tool and waits until it is in this hook.
    pub(super) fn start(tool: Tool, hook: &str) -> Result<Self> {
        let signs = tempfile::tempdir()?;
        let path = |name: &str| signs.path().join(name).display().to_string();
        let mut running = tool
            .arg(hook)
            .arg(format!(
                "touch '{}'; while [ ! -e '{}' ]; do sleep 0.02; done",
                path("here"),
                path("go")
            ))
            .start()?;
        let here = signs.path().join("here");
        while !here.exists() {
            if running.is_done()? {
                bail!("never came to {hook}: {:?}", running.wait(PATIENCE)?);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { running, signs })
    }

    /// Ends the hook, and waits for the tool.
    pub(super) fn go(self) -> Result<Outcome> {
        std::fs::write(self.signs.path().join("go"), "")?;
        self.running.wait(PATIENCE)
    }
}

/// The tool with a hook that stops the writers: it runs after the preconditions, and before writes are blocked.
pub(super) fn before_the_block(db: &PairDb) -> Result<AtHook> {
    let tool = cutover(db).args(["--yes", "--block", "hook"]);
    AtHook::start(tool, "--hook-blocked")
}

/// A session of the source that overrides the read-only setting; in a batch of its own, or the rest of the batch would be
/// read-only still.
pub(super) fn overriding(db: &PairDb) -> Result<postgres::Client> {
    let mut client = db.source_client()?;
    client.batch_execute("SET default_transaction_read_only = off")?;
    Ok(client)
}

/// The same on the target.
pub(super) fn overriding_target(db: &PairDb) -> Result<postgres::Client> {
    let mut client = db.target_client()?;
    client.batch_execute("SET default_transaction_read_only = off")?;
    Ok(client)
}

/// The SQLSTATE with which a statement was refused.
pub(super) fn refused_with(outcome: Result<(), postgres::Error>) -> Result<String> {
    let Err(error) = outcome else {
        bail!("not refused");
    };
    match error.code() {
        Some(code) => Ok(code.code().to_owned()),
        None => bail!("{error}"),
    }
}
