//! One throw-away cluster.
//!
//! Its server is the child of a small shell script, the keeper, that holds one end of a pipe. The
//! other end is in this process: when it goes, by a drop, an exit or a SIGKILL, the keeper ends the
//! server and removes the files. Refuses to leave anything behind.

mod files;
mod launch;
mod talk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::cache::Lock;
use crate::options::ClusterOptions;
use crate::proc;
use crate::server::Server;
use crate::sweep;

pub use talk::conninfo;
pub(crate) use talk::quote;

const ORPHAN_LIMIT: Duration = Duration::from_secs(3);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How a server is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Waits for the sessions to end.
    Smart,
    /// Ends the sessions and shuts down cleanly; walsenders drain first.
    Fast,
    /// Ends at once; the next start recovers.
    Immediate,
    /// SIGKILL to the postmaster, as the kernel does when memory is short.
    Kill,
}

/// A running cluster; gone, with all it holds, when dropped.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    name: String,
    dir: PathBuf,
    port: u16,
    keeper: Option<Child>,
    lock: Option<Lock>,
    detached: bool,
}

impl Cluster {
    /// Starts a cluster of this major, with pglogical.
    pub fn start(major: u16, options: ClusterOptions) -> Result<Self> {
        Self::start_on(&Server::stand_in(major)?, options)
    }

    /// Starts a cluster of this very server.
    pub fn start_on(server: &Server, options: ClusterOptions) -> Result<Self> {
        sweep::once()?;
        let name = unique("c");
        let lock = Lock::try_take(&name)?.context("a unique name is taken")?;
        let mut cluster = Self::prepare(server, name, &options)?;
        cluster.lock = Some(lock);
        cluster.launch()?;
        Ok(cluster)
    }

    /// Starts a cluster that lives on when this process ends. `name` is its directory's name; what an
    /// interrupted start left under it goes first.
    pub fn start_detached(server: &Server, name: &str, options: &ClusterOptions) -> Result<Self> {
        sweep::once()?;
        let old = server.home()?.join(name);
        if old.exists() {
            proc::end_all_in(&old)?;
            fs::remove_dir_all(&old)?;
        }
        let mut cluster = Self::prepare(server, name.to_owned(), options)?;
        cluster.detached = true;
        if let Err(error) = cluster.launch() {
            // Nobody knows of it yet: it must not stay.
            cluster.detached = false;
            return Err(error);
        }
        Ok(cluster)
    }

    /// Stops the server and waits until every process of it is gone. The data stay.
    pub fn stop(&mut self, how: Shutdown) -> Result<()> {
        let signal = match how {
            Shutdown::Smart => Signal::TERM,
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
            Shutdown::Kill => Signal::KILL,
        };
        if let Some(pid) = self.postmaster() {
            proc::signal(pid, signal)?;
        }
        if how == Shutdown::Kill && !proc::gone_within(&self.data_dir(), ORPHAN_LIMIT) {
            // A child that started in the very moment may never hear of its postmaster's death.
            for pid in proc::working_in(&self.data_dir()) {
                proc::signal(pid, Signal::KILL)?;
            }
        }
        if !proc::gone_within(&self.data_dir(), STOP_LIMIT) {
            bail!("the server did not stop within {} s", STOP_LIMIT.as_secs());
        }
        if let Some(mut keeper) = self.keeper.take() {
            // wait() would close the pipe first, and the keeper take that for our end.
            let pipe = keeper.stdin.take();
            keeper.wait()?;
            drop(pipe);
        }
        Ok(())
    }

    /// Starts the server again after [`Cluster::stop`], on the same port.
    pub fn start_again(&mut self) -> Result<()> {
        if self.postmaster().is_some() {
            bail!("the server is running");
        }
        self.launch()
    }

    /// A fast shutdown and a start, on the same port.
    pub fn restart(&mut self) -> Result<()> {
        self.stop(Shutdown::Fast)?;
        self.start_again()
    }

    /// Ends the server as the kernel's OOM killer would; [`Cluster::start_again`] recovers it.
    pub fn kill9(&mut self) -> Result<()> {
        self.stop(Shutdown::Kill)
    }

    /// Has the server read its files again.
    pub fn reload(&self) -> Result<()> {
        match self.postmaster() {
            Some(pid) => proc::signal(pid, Signal::HUP),
            None => bail!("the server is not running"),
        }
    }

    /// The major version.
    pub fn major(&self) -> u16 {
        self.server.major()
    }

    /// The installation that this cluster runs on.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The cluster's own directory: data, log and socket.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data directory, as this machine sees it ([`Server::inside`] tells how the server does).
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Where the Unix-domain socket is, or `None` where its path would be too long for one.
    pub fn socket_dir(&self) -> Option<PathBuf> {
        // 107 bytes at most for the socket's path; the longest name is .s.PGSQL.65535.lock.
        (self.dir.as_os_str().len() + "/.s.PGSQL.65535".len() <= 107).then(|| self.dir.clone())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        match self.keeper.take() {
            Some(mut keeper) => {
                // The keeper ends the server and removes its files.
                drop(keeper.stdin.take());
                let _ = keeper.wait();
            }
            None => {
                let _ = proc::end_all_in(&self.data_dir());
            }
        }
        // Mostly gone by now. What cannot be removed is swept at the next start.
        let _ = fs::remove_dir_all(&self.dir);
        if let Some(lock) = self.lock.take() {
            lock.retire();
        }
    }
}

/// A name that no other cluster of this machine has.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!(
        "{prefix}{}-{:x}-{count}",
        std::process::id(),
        now.subsec_nanos()
    )
}
