//! Processes: who we are, who works in a directory, and how to end exactly those.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The processes whose working directory is `dir` or lies below it. Every process of a server works
/// in its data directory, so that this finds them all, the postmaster's children included.
pub fn working_in(dir: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| works_in(*pid, dir))
        .collect()
}

/// Whether this process lives and works in `dir` or below it.
pub fn works_in(pid: i32, dir: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| {
        // The kernel marks a directory that is gone.
        let text = cwd.to_string_lossy();
        Path::new(text.strip_suffix(" (deleted)").unwrap_or(&text)).starts_with(dir)
    })
}

/// Whether a process is stopped by a signal.
pub fn is_stopped(pid: u32) -> bool {
    // The name in parentheses may hold anything; the state comes behind it.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| state.starts_with('T'))
    })
}

/// Sends a signal to one process; a process that is already gone is not an error.
pub fn signal(pid: i32, signal: Signal) -> Result<()> {
    let Some(pid) = Pid::from_raw(pid) else {
        bail!("{pid} is not a process id");
    };
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends every process that works in `dir`: asks the postmaster for an immediate shutdown first, and
/// kills what is still there a few seconds later.
pub fn end_all_in(dir: &Path) -> Result<()> {
    for pid in working_in(dir) {
        signal(pid, Signal::QUIT)?;
    }
    if gone_within(dir, Duration::from_secs(6)) {
        return Ok(());
    }
    for pid in working_in(dir) {
        signal(pid, Signal::KILL)?;
    }
    if !gone_within(dir, Duration::from_secs(10)) {
        bail!(
            "processes {:?} in {} do not end",
            working_in(dir),
            dir.display()
        );
    }
    Ok(())
}

/// Whether no process works in `dir` any more before the time is over.
pub fn gone_within(dir: &Path, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while !working_in(dir).is_empty() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// User and group id of a user in the passwd file of a root directory (`/` for this machine).
pub(crate) fn user_in(root: &Path, user: &str) -> Option<(u32, u32)> {
    let text = fs::read_to_string(root.join("etc/passwd")).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == user).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

/// Gives a path to a user; needed only where we are root and the server is not.
pub(crate) fn give(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    let Some((uid, gid)) = owner else {
        return Ok(());
    };
    let now = fs::metadata(path)?;
    if (now.uid(), now.gid()) != (uid, gid) {
        std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}
