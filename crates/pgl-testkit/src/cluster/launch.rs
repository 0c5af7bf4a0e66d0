//! Starts the server, under a keeper or on its own, and tells when it is ready.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Cluster;
use crate::cache::Lock;
use crate::proc;

const KEEPER: &str = include_str!("keeper.sh");
const START_LIMIT: Duration = Duration::from_secs(60);

impl Cluster {
    /// Starts the server on a free port; another one when somebody was quicker.
    pub(super) fn launch(&mut self) -> Result<()> {
        let keep_port = self.port != 0;
        for attempt in 0.. {
            if !keep_port {
                self.port = free_port()?;
            }
            let mark = self.log_mark()?;
            match self.try_launch() {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let log = self.log_since(mark)?;
                    let taken = log.contains("could not bind")
                        || log.contains("could not create any TCP/IP sockets");
                    if !taken || attempt >= 20 {
                        let tail: Vec<_> = log.lines().rev().take(15).collect();
                        let tail: Vec<_> = tail.into_iter().rev().collect();
                        return Err(error.context(format!(
                            "PostgreSQL {} did not start; its log ends:\n{}",
                            self.server.version(),
                            tail.join("\n")
                        )));
                    }
                    // A port of its own must come free again: a dying predecessor may still hold it.
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        Ok(())
    }

    fn try_launch(&mut self) -> Result<()> {
        let data = self.server.inside(&self.data_dir());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let setpriv: &[&str] = if self.detached {
            &[]
        } else {
            &["--pdeathsig=QUIT"]
        };
        let mut server = self.server.command_with("postgres", setpriv);
        server
            .arg("-D")
            .arg(data)
            .arg("-p")
            .arg(self.port.to_string());
        let mut command = if self.detached {
            Command::new("setsid")
        } else {
            // A file, not -c: so `ps` shows what it is and not all of it.
            let script = self.dir.join("keeper.sh");
            fs::write(&script, KEEPER)?;
            let mut keeper = Command::new("sh");
            keeper
                .arg(script)
                .arg(&self.dir)
                .arg(Lock::path_of(&self.name)?);
            // Ctrl-C in a terminal is for the test process, not for the keeper.
            keeper.process_group(0);
            keeper
        };
        command
            .arg(server.get_program())
            .args(server.get_args())
            .env_clear()
            .envs(
                server
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir("/")
            .stdin(if self.detached {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut keeper = command.spawn().context("cannot start the server")?;
        let until = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = keeper.try_wait()? {
                bail!("the server ended at once ({status})");
            }
            if self.is_ready() {
                break;
            }
            if Instant::now() > until {
                drop(keeper.stdin.take());
                proc::end_all_in(&self.data_dir())?;
                keeper.wait()?;
                bail!(
                    "the server was not ready within {} s",
                    START_LIMIT.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.keeper = Some(keeper);
        Ok(())
    }

    /// The postmaster writes its state into its pid file (since version 10). A killed one leaves the
    /// file behind, so the process that this very file names has to be there, too.
    fn is_ready(&self) -> bool {
        let Some(lines) = self.pid_file() else {
            return false;
        };
        // The file says so from 10 on.
        let ready = match lines.get(7).map(|line| line.trim()) {
            None if self.server.major() < 10 => self.client("postgres").is_ok(),
            state => matches!(state, Some("ready" | "standby")),
        };
        ready && self.owner_of(&lines).is_some()
    }

    fn owner_of(&self, pid_file: &[String]) -> Option<i32> {
        let pid = pid_file.first()?.parse().ok()?;
        proc::works_in(pid, &self.data_dir()).then_some(pid)
    }

    fn pid_file(&self) -> Option<Vec<String>> {
        let text = fs::read_to_string(self.data_dir().join("postmaster.pid")).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }

    /// The postmaster's process id while it runs.
    pub fn postmaster(&self) -> Option<i32> {
        self.owner_of(&self.pid_file()?)
    }
}

fn free_port() -> Result<u16> {
    let socket =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(socket.local_addr()?.port())
}
