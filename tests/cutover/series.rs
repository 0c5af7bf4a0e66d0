//! A series of switches while everything around them breaks: the tool is killed, its sessions are ended,
//! the network is cut or falls silent, servers restart, the apply worker dies; at random moments, then
//! what README says for it. Nothing that a writer was promised may be missing or doubled.
//!
//! `PGL_SOAK_CUTOVERS` says how many attempts (all pairs together), `PGL_SOAK_SEED` which ones; what was
//! seen is printed (`--nocapture`).

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pgl_testkit::load::{Load, Writers};
use pgl_testkit::{Outcome, PairDb, Proxy, Running, Shutdown, Signal, Tool, conninfo, proc};

use super::intruder::Intruder;
use super::support::{
    PAIRS, PATIENCE, cutover, either, go_on, holders, prepared, roles, same, writes_within,
};

/// From the moment that somebody asks for it, the source accepts writes again within this.
const RESTORED: Duration = Duration::from_secs(60);
/// Longer than any attempt lasts here, for one that meets a silent network.
const MAX_PAUSE: Duration = Duration::from_secs(3);

#[test]
fn whatever_breaks_nothing_is_lost_or_doubled() -> Result<()> {
    let number = |name: &str, usual: u64| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let count = number("PGL_SOAK_CUTOVERS", 6);
    let mut random = Random(number("PGL_SOAK_SEED", 20_260_101) | 1);
    let mut told = String::new();
    for (number, (source, target)) in PAIRS.into_iter().enumerate() {
        let share = (count + 1 - number as u64) / PAIRS.len() as u64;
        let mut series = Series::begin(source, target)?;
        for round in 0..share {
            let fault = Fault::any(&mut random);
            let moment = Moment::any(&mut random);
            let what = format!("{source}→{target} {round}: {fault:?} {moment:?}");
            series = series
                .attempt(fault, moment, &mut random)
                .with_context(|| what.clone())?;
            let _ = writeln!(told, "{what}: {}", series.said);
            println!("{what}: {}", series.said);
        }
        println!("{source}→{target}: {}", series.end()?);
    }
    Ok(())
}

/// Same seed, same series.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }

    fn any<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// Which ways to a server are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Source,
    Target,
    Both,
}

const EVERYWHERE: [Where; 3] = [Where::Source, Where::Target, Where::Both];

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Signal(Signal),
    /// The tool's sessions are ended by an administrator.
    Ended(Where),
    /// Connections are reset, and for a while there are no new ones.
    Cut(Where),
    /// Nothing passes for a moment.
    Hiccup(Where),
    /// Nothing passes any more; the tool is left to itself.
    Silence(Where),
    /// The same, and somebody takes the attempt back from another place meanwhile.
    Elsewhere(Where),
    Restart(Where, Shutdown),
    /// SIGKILL to the apply worker: the target recovers.
    WorkerKilled,
    /// The apply worker is ended and starts again.
    WorkerEnded,
    Nothing,
}

impl Fault {
    fn any(random: &mut Random) -> Self {
        let place = random.any(&EVERYWHERE);
        match random.below(13) {
            0 | 1 => Self::Kill,
            2 => Self::Signal(random.any(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT])),
            3 => Self::Ended(place),
            4 | 5 => Self::Cut(place),
            6 => Self::Hiccup(place),
            7 => Self::Silence(place),
            8 => Self::Elsewhere(place),
            9 => Self::Restart(
                random.any(&[Where::Source, Where::Target]),
                random.any(&[Shutdown::Fast, Shutdown::Immediate]),
            ),
            10 => Self::WorkerKilled,
            11 => Self::WorkerEnded,
            _ => Self::Nothing,
        }
    }
}

/// When it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// So long after the start.
    After(Duration),
    /// In this hook.
    In(&'static str),
}

impl Moment {
    fn any(random: &mut Random) -> Self {
        match random.below(8) {
            0 => Self::In("--hook-blocked"),
            1 => Self::In("--hook-drained"),
            2 => Self::In("--hook-promoted"),
            _ => Self::After(Duration::from_millis(random.below(900))),
        }
    }
}

struct Series {
    db: PairDb,
    writers: Writers,
    intruder: Intruder,
    /// The ways of the tool to the source and to the target.
    ways: [Proxy; 2],
    seen: Seen,
    said: String,
}

#[derive(Default)]
struct Seen {
    attempts: u64,
    switched: u64,
    taken_back: u64,
    acknowledged: usize,
    in_doubt: usize,
    longest: Duration,
}

impl Series {
    fn begin(source: u16, target: u16) -> Result<Self> {
        let db = PairDb::alone(source, target, "series_0")?;
        let ways = [
            Proxy::start(db.source().port())?,
            Proxy::start(db.target().port())?,
        ];
        Self::on(db, ways, Seen::default())
    }

    /// A fresh migration under a fresh load.
    fn on(db: PairDb, ways: [Proxy; 2], seen: Seen) -> Result<Self> {
        prepared(&db, "SELECT 1")?;
        let (app, stubborn) = roles(&db)?;
        // Before clients know both servers: from the first attempt on the target is read-only.
        cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
        let writers = Load::new()
            .workers(4)
            .pace(Duration::from_millis(5))
            .seed(seen.attempts)
            .start(&[either(&db, &app), either(&db, &stubborn)])?;
        let intruder = Intruder::start(&db.target_dsn())?;
        Ok(Self {
            writers: go_on(writers, 50)?,
            db,
            intruder,
            ways,
            seen,
            said: String::new(),
        })
    }

    /// The tool behind networks that can fail.
    fn tool(&self) -> Tool {
        let dsn = |way: &Proxy| {
            conninfo(&[
                ("host", "127.0.0.1"),
                ("port", &way.port().to_string()),
                ("user", "postgres"),
                ("dbname", self.db.name()),
            ])
        };
        cutover(&self.db)
            .env("PGL_SOURCE", dsn(&self.ways[0]))
            .env("PGL_TARGET", dsn(&self.ways[1]))
            .args(["--max-pause", &format!("{}s", MAX_PAUSE.as_secs())])
    }

    fn ways(&self, place: Where) -> Vec<&Proxy> {
        match place {
            Where::Source => vec![&self.ways[0]],
            Where::Target => vec![&self.ways[1]],
            Where::Both => self.ways.iter().collect(),
        }
    }

    /// Waits until replication runs: after a restart it takes pglogical some seconds.
    fn replicating(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        let sql = "SELECT bool_and(status = 'replicating')::text FROM pglogical.show_subscription_status()";
        while self.db.target().value(self.db.name(), sql).ok().as_deref() != Some("true") {
            if Instant::now() > until {
                let log = self.db.target().log()?;
                let tail: Vec<&str> = log
                    .lines()
                    .rev()
                    .filter(|line| line.contains("pglogical") || line.contains("LOG:"))
                    .take(30)
                    .collect();
                bail!(
                    "replication does not come back; the target's log, last line first:\n{}",
                    tail.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // They were empty when pgl-setup looked, and a crash takes the counters: the guards want statistics.
        self.db
            .on_target("ANALYZE load.item, load.entry, load.beat")
            .map(drop)
    }

    fn attempt(mut self, fault: Fault, moment: Moment, random: &mut Random) -> Result<Self> {
        self.seen.attempts += 1;
        self.replicating()?;
        let signs = tempfile::tempdir()?;
        let sign = signs.path().join("here");
        let mut tool = self.tool().arg("--yes");
        if let Moment::In(hook) = moment {
            tool = tool
                .arg(hook)
                .arg(format!("touch '{}'; sleep 0.3", sign.display()));
        }
        let mut running = tool.start()?;
        match moment {
            Moment::After(time) => std::thread::sleep(time),
            Moment::In(_) => {
                while !sign.exists() && !running.is_done()? {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        let (out, asked) = self.strike(
            fault,
            moment == Moment::In("--hook-promoted"),
            running,
            random,
        )?;
        self.recover(fault, out, asked, random)
    }

    /// Breaks it; how the tool ended, and since when the source should accept writes again.
    fn strike(
        &mut self,
        fault: Fault,
        after_release: bool,
        mut running: Running,
        random: &mut Random,
    ) -> Result<(Option<Outcome>, Instant)> {
        let away = Duration::from_millis(random.below(1500));
        match fault {
            Fault::Nothing => {}
            Fault::Kill => {
                running.kill9()?;
                return Ok((None, Instant::now()));
            }
            Fault::Signal(signal) => {
                running.signal(signal)?;
                writes_within(&self.db, RESTORED)?;
                return Ok((Some(running.wait(Duration::from_secs(20))?), Instant::now()));
            }
            Fault::Ended(place) => {
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgl-cutover' AND datname = current_database()";
                if place != Where::Target {
                    self.db.source().sql(
                        "postgres",
                        &sql.replace("current_database()", &format!("'{}'", self.db.name())),
                    )?;
                }
                if place != Where::Source {
                    self.db.target().sql(
                        "postgres",
                        &sql.replace("current_database()", &format!("'{}'", self.db.name())),
                    )?;
                }
            }
            Fault::Cut(place) => {
                self.ways(place).into_iter().for_each(Proxy::cut);
                std::thread::sleep(away);
                self.ways(place).into_iter().for_each(Proxy::resume);
            }
            Fault::Hiccup(place) => {
                self.ways(place).into_iter().for_each(Proxy::freeze);
                std::thread::sleep(away);
                self.ways(place).into_iter().for_each(Proxy::resume);
            }
            Fault::Silence(place) => {
                self.ways(place).into_iter().for_each(Proxy::freeze);
                if place == Where::Target && !after_release {
                    // The source can be reached, and the limit of the pause holds there.
                    let until = Instant::now() + MAX_PAUSE + Duration::from_secs(15);
                    while !running.is_done()? && Instant::now() < until {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    if !running.is_done()? {
                        // Silent before anybody was kept waiting: so it has to be still.
                        writes_within(&self.db, RESTORED).context("the tool hangs")?;
                    }
                    self.ways(place).into_iter().for_each(Proxy::resume);
                    return Ok((Some(running.wait(PATIENCE)?), Instant::now()));
                }
                std::thread::sleep(MAX_PAUSE + Duration::from_secs(3));
                self.ways(place).into_iter().for_each(Proxy::resume);
            }
            Fault::Elsewhere(place) => {
                self.ways(place).into_iter().for_each(Proxy::freeze);
                std::thread::sleep(away);
                let asked = Instant::now();
                let (told, begun) = self.recovered(random, false)?;
                if !told {
                    writes_within(&self.db, RESTORED.saturating_sub(asked.elapsed()))?;
                    self.seen.longest = self.seen.longest.max(asked.elapsed());
                }
                // It comes back to life, and must not do anything any more.
                self.ways(place).into_iter().for_each(Proxy::resume);
                let out = running.wait(PATIENCE)?;
                // Where it had not even looked yet there was nothing to roll back.
                ensure!(
                    told || !begun || out.code() != Some(0),
                    "rolled back by somebody else, and yet it says done: {}",
                    out.stdout
                );
                return Ok((Some(out), Instant::now()));
            }
            Fault::Restart(place, how) => {
                let Some(pair) = self.db.servers() else {
                    bail!("the servers are shared");
                };
                let server = match place {
                    Where::Source => &mut pair.source,
                    Where::Target | Where::Both => &mut pair.target,
                };
                server.stop(how)?;
                server.start_again()?;
            }
            Fault::WorkerKilled | Fault::WorkerEnded => {
                let worker = self.db.target().sql(
                    "postgres",
                    &format!("SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'pglogical apply%'", self.db.name()),
                )?;
                for row in worker {
                    let pid: i32 = row[0].as_deref().unwrap_or_default().parse()?;
                    let signal = match fault {
                        Fault::WorkerKilled => Signal::KILL,
                        _ => Signal::TERM,
                    };
                    proc::signal(pid, signal)?;
                }
            }
        }
        let out = match running.is_done()? {
            true => running.wait(PATIENCE)?,
            false => running.wait(Duration::from_secs(45))?,
        };
        Ok((Some(out), Instant::now()))
    }

    /// What README says for an attempt that stopped; whether the cutover is made, and whether there was
    /// an attempt at all.
    fn recovered(&mut self, random: &mut Random, may_resume: bool) -> Result<(bool, bool)> {
        let resume = || {
            let mut out = cutover(&self.db).command("resume").run()?;
            if cannot_connect(&out) {
                self.servers_are_up()?;
                out = cutover(&self.db).command("resume").run()?;
            }
            if out.stdout.contains("cut.subscription") || out.stdout.contains("cut.statistics") {
                // It was rolled back, and does not begin before pglogical is up again.
                self.replicating()?;
                return cutover(&self.db).arg("--yes").run()?.expect(0);
            }
            if out.stderr.contains("has left anything to finish") {
                // Killed before it had recorded anything.
                return cutover(&self.db).arg("--yes").run()?.expect(0);
            }
            out.expect(0)
        };
        if may_resume && random.below(3) == 0 {
            resume()?;
            return Ok((true, true));
        }
        let mut out = cutover(&self.db).command("abort").run()?;
        if out.stderr.contains("another run holds the lock") {
            // Behind a silent network: for the servers it is alive.
            let pids = holders(&out)?;
            out = cutover(&self.db)
                .args(["abort", "--yes"])
                .args(&pids)
                .run()?;
        }
        if cannot_connect(&out) {
            // A server recovers, and it has to be asked. The target is when the release was tried.
            self.servers_are_up()?;
            out = cutover(&self.db).command("abort").run()?;
        }
        match out.code() {
            Some(5) if out.stderr.contains("the cutover is made") => {
                resume()?;
                Ok((true, true))
            }
            _ => {
                let document = out.expect(0)?.json()?;
                Ok((false, document["state"] == "restored"))
            }
        }
    }

    /// Waits for servers that recover from a crash.
    fn servers_are_up(&self) -> Result<()> {
        for server in [self.db.source(), self.db.target()] {
            let until = Instant::now() + Duration::from_secs(60);
            while server.value("postgres", "SELECT 1").is_err() {
                ensure!(Instant::now() < until, "a server does not come back");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn recover(
        mut self,
        fault: Fault,
        out: Option<Outcome>,
        asked: Instant,
        random: &mut Random,
    ) -> Result<Self> {
        self.said = match &out {
            Some(out) => format!("exit {:?} in {:.1} s", out.code(), out.took.as_secs_f64()),
            None => "killed".to_owned(),
        };
        // Said by the tool itself: then the source has to accept writes without anybody's help.
        let own = out
            .as_ref()
            .and_then(|out| out.json().ok())
            .and_then(|document| document["state"].as_str().map(str::to_owned));
        if own.as_deref() == Some("restored") {
            writes_within(&self.db, RESTORED).context("the tool said that it was rolled back")?;
        }
        let done = own.as_deref() == Some("done");
        let told = out.as_ref().map(|out| out.stderr.clone());
        let (switched, _) = self
            .recovered(random, true)
            .with_context(|| format!("after {told:?}"))?;
        ensure!(switched || !done, "done, and yet rolled back");
        if !switched {
            let took = writes_within(&self.db, RESTORED)?;
            if fault == Fault::Kill {
                self.seen.longest = self.seen.longest.max(asked.elapsed());
                ensure!(asked.elapsed() < RESTORED, "{:?}", asked.elapsed());
            }
            self.seen.taken_back += 1;
            let _ = write!(self.said, ", rolled back, writes after {took:?}");
            self.writers = go_on(self.writers, 20)?;
            return Ok(self);
        }
        self.seen.switched += 1;
        self.said.push_str(", switched");
        self.writers = go_on(self.writers, 20)?;
        let Self {
            db,
            writers,
            intruder,
            ways,
            mut seen,
            said,
        } = self;
        check(&db, writers, intruder, &mut seen)?;
        let db = db.again(&format!("series_{}", seen.attempts))?;
        // The proxies lead to the servers and not to a database.
        let mut next = Self::on(db, ways, seen)?;
        next.said = said;
        Ok(next)
    }

    fn end(self) -> Result<String> {
        let tried = self.intruder.tries();
        self.replicating()?;
        cutover(&self.db).arg("--yes").run()?.expect(0)?;
        let mut seen = self.seen;
        seen.switched += 1;
        seen.attempts += 1;
        let writers = go_on(self.writers, 20)?;
        check(&self.db, writers, self.intruder, &mut seen)?;
        Ok(format!(
            "{} attempts, {} switched, {} rolled back; {} transactions acknowledged, {} in doubt, none lost, none doubled; \
             the source wrote again {:.2} s after it was asked for at the latest; the target was tried {tried} times",
            seen.attempts,
            seen.switched,
            seen.taken_back,
            seen.acknowledged,
            seen.in_doubt,
            seen.longest.as_secs_f64()
        ))
    }
}

/// What was promised, held against the subscriber.
fn check(db: &PairDb, writers: Writers, intruder: Intruder, seen: &mut Seen) -> Result<()> {
    let ledger = writers.stop()?;
    intruder.stop()?;
    ledger.check(&mut db.target_client()?)?;
    same(db, &["parent", "child", "keyless", "scratch"])?;
    seen.acknowledged += ledger.acknowledged();
    seen.in_doubt += ledger.in_doubt();
    Ok(())
}

fn cannot_connect(out: &Outcome) -> bool {
    out.code() == Some(3) && out.stderr.contains("cannot connect")
}
