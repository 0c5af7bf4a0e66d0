//! Runs a program of the suite as a user would, in an environment that holds nothing of ours.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::proc;

/// A program with its arguments and surroundings. Nothing is inherited but what is set here: a home
/// directory of its own, `PATH=/usr/bin:/bin`, 100 columns, UTC, C.UTF-8.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Tool {
    /// `Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            limit: Duration::from_secs(120),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// The command of a tool that has several, before all its options.
    #[must_use]
    pub fn command(mut self, name: &str) -> Self {
        self.args.insert(0, name.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// One environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Environment variables, as [`crate::PairDb::env`] gives them.
    #[must_use]
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        for (name, value) in pairs {
            self = self.env(name, value);
        }
        self
    }

    /// What the program reads from standard input; nothing when not given.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long [`Tool::run`] waits before it kills the program and fails; two minutes when not given.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end. An exit code other than 0 is not an error here.
    pub fn run(self) -> Result<Outcome> {
        let limit = self.limit;
        self.start()?.wait(limit)
    }

    /// Starts it and leaves it running.
    pub fn start(self) -> Result<Running> {
        let home = tempfile::Builder::new().prefix("pgl-home-").tempdir()?;
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let begun = Instant::now();
        let mut stdin = child.stdin.take().context("no pipe to standard input")?;
        let input = self.stdin;
        // A program that does not read its input is no fault of the test's.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = Collector::of(
            child
                .stdout
                .take()
                .context("no pipe from standard output")?,
        );
        let stderr = Collector::of(child.stderr.take().context("no pipe from standard error")?);
        Ok(Running {
            child,
            begun,
            stdout,
            stderr,
            _feeder: feeder,
            _home: home,
        })
    }
}

/// A program that runs. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    begun: Instant,
    stdout: Collector,
    stderr: Collector,
    _feeder: JoinHandle<()>,
    _home: TempDir,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        proc::signal(i32::try_from(self.child.id())?, signal)
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill9(self) -> Result<Outcome> {
        self.signal(Signal::KILL)?;
        self.wait(Duration::from_secs(10))
    }

    /// What it has written to standard output so far.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.so_far()
    }

    /// What it has written to standard error so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.so_far()
    }

    /// Whether it has ended.
    pub fn is_done(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it has stopped itself (SIGSTOP), as a tool does at the point that `PGL_TEST_STOP_AT` names; false
    /// when it has ended before.
    pub fn stopped(&mut self, limit: Duration) -> Result<bool> {
        let until = Instant::now() + limit;
        while !self.is_done()? {
            if proc::is_stopped(self.child.id()) {
                return Ok(true);
            }
            if Instant::now() > until {
                bail!("not stopped within {limit:?}\n{}", self.stderr.so_far());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(false)
    }

    /// Lets it go on after it was stopped.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits for its end; past the limit it is killed, and that is an error.
    pub fn wait(mut self, limit: Duration) -> Result<Outcome> {
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > until {
                self.child.kill()?;
                self.child.wait()?;
                bail!(
                    "not done within {limit:?}\n--- stdout\n{}\n--- stderr\n{}",
                    self.stdout.so_far(),
                    self.stderr.so_far()
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.begun.elapsed();
        Ok(Outcome {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
            took,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Outcome {
    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Itself when the exit code is this one, else an error that shows everything it said.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code() != Some(code) {
            bail!(
                "{} instead of exit code {code}\n--- stdout\n{}\n--- stderr\n{}",
                self.status,
                self.stdout,
                self.stderr
            );
        }
        Ok(self)
    }

    /// Standard output as one JSON document.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| {
            format!(
                "not JSON\n--- stdout\n{}\n--- stderr\n{}",
                self.stdout, self.stderr
            )
        })
    }

    /// Standard output as one JSON object a line.
    pub fn ndjson(&self) -> Result<Vec<serde_json::Value>> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }
}

/// Reads a pipe to its end in a thread, so that the program never waits for us.
#[derive(Debug)]
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(&buffer[..count]);
            }
        });
        Self {
            bytes,
            thread: Some(thread),
        }
    }

    fn so_far(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            // It only reads; it cannot fail but by a panic of the allocator.
            let _ = thread.join();
        }
        self.so_far()
    }
}
