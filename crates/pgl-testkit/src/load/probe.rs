//! Measures for how long a client could not write: one small transaction after the other, and the
//! longest time between two that were acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use postgres::{Client, NoTls};

use super::Control;
use super::worker::describe;

/// A running probe.
#[derive(Debug)]
pub struct Probe {
    control: Arc<Control>,
    thread: Option<JoinHandle<Result<Pause>>>,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The longest time between two acknowledged writes.
    pub longest: Duration,
    /// The time between two acknowledged writes in half of all cases: what it costs anyway.
    pub usual: Duration,
    /// Acknowledged writes.
    pub writes: u64,
    /// Numbers of the writes that were acknowledged, for [`Pause::missing`].
    acknowledged: Vec<i64>,
}

impl Probe {
    /// Starts writing to `load.beat` ([`super::SCHEMA`]), a row about every millisecond.
    pub fn start(dsn: &str) -> Self {
        Self::start_from(dsn, 0)
    }

    /// The same with numbers above this one, beside another probe of the same database.
    pub fn start_from(dsn: &str, first: i64) -> Self {
        let control = Arc::new(Control::new(&[dsn.to_owned()]));
        let shared = Arc::clone(&control);
        Self {
            control,
            thread: Some(std::thread::spawn(move || run(&shared, first))),
        }
    }

    /// Where to write once the present connection fails.
    pub fn redirect(&self, dsn: &str) {
        let mut dsns = self
            .control
            .dsns
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *dsns = vec![dsn.to_owned()];
    }

    /// How many writes were acknowledged so far.
    pub fn writes(&self) -> u64 {
        self.control.committed.load(Ordering::SeqCst)
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<Pause> {
        let Some(thread) = self.thread.take() else {
            bail!("the probe has ended");
        };
        self.control.end(|| thread.is_finished());
        thread.join().map_err(|_| anyhow!("the probe panicked"))?
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.control.end(|| thread.is_finished());
        }
    }
}

impl Pause {
    /// How many acknowledged writes a server does not have.
    pub fn missing(&self, client: &mut Client) -> Result<usize> {
        let rows = client.query("SELECT number FROM load.beat", &[])?;
        let there: std::collections::BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        Ok(self
            .acknowledged
            .iter()
            .filter(|number| !there.contains(number))
            .count())
    }
}

fn run(control: &Control, first: i64) -> Result<Pause> {
    let mut client: Option<Client> = None;
    let mut number = first;
    let mut acknowledged = Vec::new();
    let mut gaps = Vec::new();
    let mut last: Option<Instant> = None;
    while !control.stopping() {
        let Some(session) = client.as_mut() else {
            let mut config: postgres::Config = control.dsn(0).parse()?;
            config
                .connect_timeout(Duration::from_secs(5))
                .application_name("probe");
            match config.connect(NoTls) {
                Ok(fresh) => {
                    control.remember(0, fresh.cancel_token());
                    client = Some(fresh);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
            continue;
        };
        // A number is never used twice: one in doubt may be there.
        number += 1;
        match session.batch_execute(&format!("INSERT INTO load.beat (number) VALUES ({number})")) {
            Ok(()) => {
                let now = Instant::now();
                if let Some(last) = last.replace(now) {
                    gaps.push(now - last);
                }
                acknowledged.push(number);
                control.committed.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                let state = error
                    .code()
                    .map(|code| code.code().to_owned())
                    .unwrap_or_default();
                if state.starts_with("23") || state == "42P01" {
                    bail!("the probe cannot write: {}", describe(&error));
                }
                // Ends the session even where it is still there: it may have to go elsewhere.
                client = None;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    gaps.sort_unstable();
    Ok(Pause {
        longest: gaps.last().copied().unwrap_or_default(),
        usual: gaps.get(gaps.len() / 2).copied().unwrap_or_default(),
        writes: acknowledged.len() as u64,
        acknowledged,
    })
}
