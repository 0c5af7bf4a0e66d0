//! Four tables of a million rows on both sides: how long a comparison takes and how much of the processors,
//! against reading them completely with COPY to nowhere, against what other tools compute, and against
//! counting. All of it in turns, so that whatever else the machine does meets all alike.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pgl_testkit::{Cluster, Pair, Server};

use super::release_binary;
use crate::run::say;

const TABLES: u32 = 4;
const ROWS: u32 = 1_000_000;
/// Before 14 there is no scan of a range of pages.
const PAIRS: [(u16, u16); 2] = [(13, 17), (15, 18)];
const DATABASE: &str = "bench";
/// Half of what both sides of a comparison cost is the text of the jsonb column, which has no cheaper exact form.
const COPY_FLAT: &str = "COPY … of all columns but jsonb";
const VERIFY_FLAT: &str = "pgl-verify of all columns but jsonb";
/// Queries at a time, the same for all.
const JOBS: &str = "2";

pub(crate) fn main(runs: u32) -> Result<()> {
    let bin = release_binary("pgl-verify")?;
    for (source, target) in PAIRS {
        let pair = Pair::start(source, target)?;
        pair.createdb(DATABASE)?;
        fill(&pair.source)?;
        fill(&pair.target)?;
        say(&format!(
            "PostgreSQL {source} → {target}, {TABLES} × {ROWS} rows, {JOBS} queries at a time"
        ));
        one(&pair, &bin, runs)?;
    }
    Ok(())
}

fn fill(cluster: &Cluster) -> Result<()> {
    for table in 1..=TABLES {
        cluster.sql(
            DATABASE,
            &format!(
                "CREATE TABLE t{table} (id bigint PRIMARY KEY, name text, f float8, at timestamptz,
                    n numeric(12, 2), ok boolean, i int, j jsonb);
                 INSERT INTO t{table} SELECT k, 'name ' || k || ' ' || md5(k::text), k / 3.0,
                    timestamptz '2024-01-01' + k * interval '1 second', k * 1.37, k % 2 = 0, k % 1000,
                    jsonb_build_object('k', k, 'v', md5(k::text)) FROM generate_series(1, {ROWS}) AS k"
            ),
        )?;
        cluster.sql(DATABASE, &format!("VACUUM (ANALYZE) t{table}"))?;
    }
    Ok(())
}

/// The same statement for each table of both sides through psql; `$t` stands for the table.
fn everywhere(pair: &Pair, programs: &Path, statement: &str) -> Command {
    let mut script = String::from("printf '%s\\n'");
    for cluster in [&pair.source, &pair.target] {
        for table in 1..=TABLES {
            script.push_str(&format!(
                " \"{}|{}\"",
                cluster.dsn(DATABASE),
                statement.replace("$t", &format!("t{table}"))
            ));
        }
    }
    script.push_str(&format!(
        " | xargs -d '\\n' -P {JOBS} -I{{}} sh -c 'p=\"{{}}\"; exec psql -XqAt \"${{p%%|*}}\" -c \"${{p#*|}}\" > /dev/null'"
    ));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = vec![programs.to_owned()];
    all.extend(std::env::split_paths(&path));
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    if let Ok(joined) = std::env::join_paths(all) {
        command.env("PATH", joined);
    }
    command
}

/// Whether nobody is left in the database.
const IDLE: &str = "SELECT count(*) = 0 FROM pg_stat_activity
    WHERE datname = 'bench' AND backend_type IN ('client backend', 'parallel worker')";

/// Something to measure.
struct Contender<'a> {
    name: String,
    /// The exit code that it has to end with.
    code: i32,
    command: Box<dyn Fn() -> Command + 'a>,
    wall: Duration,
    /// Processor time of servers and program together, in seconds.
    cpu: f64,
    /// The most memory that the program had at a time, in KiB; not of what it started.
    memory: u64,
}

impl<'a> Contender<'a> {
    fn new(name: &str, code: i32, command: impl Fn() -> Command + 'a) -> Self {
        Self {
            name: name.to_owned(),
            code,
            command: Box::new(command),
            wall: Duration::MAX,
            cpu: f64::MAX,
            memory: 0,
        }
    }

    fn run(&mut self, pair: &Pair) -> Result<()> {
        let mut command = (self.command)();
        let line = format!("{command:?}");
        let before = spent(pair)?;
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {line}"))?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            self.memory = self.memory.max(most_memory(child.id()));
            std::thread::sleep(Duration::from_millis(5));
        };
        let wall = start.elapsed();
        if status.code() != Some(self.code) {
            bail!("{line}: {status}");
        }
        // A server counts a process once it has gone and was waited for.
        for cluster in [&pair.source, &pair.target] {
            cluster.wait_until("postgres", IDLE, Duration::from_secs(30))?;
        }
        std::thread::sleep(Duration::from_millis(100));
        self.cpu = self.cpu.min(spent(pair)? - before);
        self.wall = self.wall.min(wall);
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn as_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// The high-water mark of a process, in KiB; 0 once it has ended.
fn most_memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Seconds that both servers, and the programs started here, have spent on the processors so far.
fn spent(pair: &Pair) -> Result<f64> {
    let mut ticks = ticks(Path::new("/proc/self/stat"), &[16, 17])?;
    for cluster in [&pair.source, &pair.target] {
        let file = cluster.data_dir().join("postmaster.pid");
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let pid = text.lines().next().unwrap_or_default().trim().to_owned();
        ticks += self::ticks(
            &Path::new("/proc").join(pid).join("stat"),
            &[14, 15, 16, 17],
        )?;
    }
    // USER_HZ is 100 on every Linux.
    Ok(f64::from(ticks) / 100.0)
}

/// The sum of some fields of a `stat` file, counted from 1 as in proc(5).
fn ticks(file: &Path, fields: &[usize]) -> Result<u32> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    // The second field is a name in brackets and may have blanks.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let numbers: Vec<&str> = rest.split_whitespace().collect();
    let mut sum = 0;
    for field in fields {
        let number = numbers.get(field - 3).context("a short stat file")?;
        sum += number.parse::<u32>().context("a stat file")?;
    }
    Ok(sum)
}

fn one(pair: &Pair, bin: &Path, runs: u32) -> Result<()> {
    let newer = pair.source.major().max(pair.target.major());
    let programs = Server::require(newer)?.client_dir()?;
    let statements = [
        (
            "COPY … (FORMAT binary) to nowhere",
            "COPY $t TO STDOUT (FORMAT binary)",
        ),
        (
            COPY_FLAT,
            "COPY $t (id, name, f, at, n, ok, i) TO STDOUT (FORMAT binary)",
        ),
        ("count(*)", "SELECT count(*) FROM $t"),
        (
            "sum(hashtext(t::text)) by psql",
            "SELECT sum(hashtext(x::text)::bigint), count(1) FROM ONLY $t AS x",
        ),
        (
            "sum(hashtextextended(t::text, 0)) by psql",
            "SELECT sum(hashtextextended(x::text, 0)) FROM ONLY $t AS x",
        ),
    ];
    let env = pair.env(DATABASE);
    let ours = |more: &'static [&'static str]| {
        let env = env.clone();
        move || {
            let mut command = Command::new(bin);
            command
                .envs(env.clone())
                .args(["--jobs", JOBS, "--quiet"])
                .args(more);
            command
        }
    };
    let mut all: Vec<Contender<'_>> = Vec::new();
    for (name, statement) in statements {
        let programs = &programs;
        all.push(Contender::new(name, 0, move || {
            everywhere(pair, programs, statement)
        }));
    }
    all.push(Contender::new("pgl-verify", 0, ours(&[])));
    all.push(Contender::new(
        VERIFY_FLAT,
        0,
        ours(&["--exclude-column", "j"]),
    ));
    all.push(Contender::new(
        "pgl-verify --digest client",
        0,
        ours(&["--digest", "client"]),
    ));
    all.push(Contender::new(
        "pgl-verify --digest md5",
        0,
        ours(&["--digest", "md5"]),
    ));
    all.extend(rival(pair));
    for _ in 0..runs.max(1) {
        for contender in &mut all {
            contender.run(pair)?;
        }
    }
    // Afterwards, because it changes the data.
    pair.target
        .sql(DATABASE, "UPDATE t1 SET f = -f WHERE id = 500000")?;
    let mut differs = Contender::new("pgl-verify, one row differs", 1, ours(&[]));
    for _ in 0..runs.max(1) {
        differs.run(pair)?;
    }
    all.push(differs);
    let (wall, cpu) = (all[0].wall, all[0].cpu);
    say(&format!(
        "{:<42} {:>8} {:>6}  {:>8} {:>6}  {:>7}",
        "", "wall s", "ratio", "CPU s", "ratio", "MiB"
    ));
    for one in &all {
        say(&format!(
            "{:<42} {:>8.2} {:>6.2}  {:>8.2} {:>6.2}  {:>7.1}",
            one.name,
            one.wall.as_secs_f64(),
            one.wall.as_secs_f64() / wall.as_secs_f64(),
            one.cpu,
            one.cpu / cpu,
            as_mib(one.memory)
        ));
    }
    let named = |name: &str| {
        let found = all.iter().find(|one| one.name == name);
        found.with_context(|| format!("{name} was not measured"))
    };
    let (copy, verify) = (named(COPY_FLAT)?, named(VERIFY_FLAT)?);
    say(&format!(
        "{VERIFY_FLAT} against {COPY_FLAT}: wall {:.2}, CPU {:.2}",
        verify.wall.as_secs_f64() / copy.wall.as_secs_f64(),
        verify.cpu / copy.cpu
    ));
    Ok(())
}

/// pgcopydb, where one is installed that can compare. `PGL_BENCH_PGCOPYDB` names another command, with blanks between
/// its words.
fn rival(pair: &Pair) -> Option<Contender<'_>> {
    let given = std::env::var("PGL_BENCH_PGCOPYDB").unwrap_or_else(|_| "pgcopydb".to_owned());
    let words: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
    let command = move || {
        let mut words = words.iter();
        let mut command = Command::new(words.next().map_or("pgcopydb", String::as_str));
        command.args(words);
        command
    };
    let help = command().args(["compare", "data", "--help"]).output();
    match help {
        Ok(help) if help.status.success() => {}
        Ok(_) => {
            say("this pgcopydb has no \"compare data\": not measured");
            return None;
        }
        Err(_) => {
            say("pgcopydb is not installed: not measured");
            return None;
        }
    }
    // A directory knows the source that it was made for.
    let dir = std::env::temp_dir().join(format!(
        "pgl-bench-{}-{}",
        std::process::id(),
        pair.source.port()
    ));
    Some(Contender::new("pgcopydb compare data", 0, move || {
        let mut command = command();
        command
            .args(["compare", "data", "--dir"])
            .arg(&dir)
            .args(["--source", &pair.source.dsn(DATABASE)])
            .args(["--target", &pair.target.dsn(DATABASE)]);
        command.env("PGCOPYDB_TABLE_JOBS", JOBS);
        command
    }))
}
