//! Removes what an earlier process left: one that was killed together with its keepers.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cache::Lock;
use crate::proc;
use crate::server::Server;

/// Ends the servers and removes the files of clusters whose owner is gone; how many there were.
/// Clusters of a lab stay: they are meant to outlive the command that started them.
pub fn sweep() -> Result<usize> {
    let mut swept = 0;
    let grace = Instant::now() + Duration::from_secs(5);
    let mut homes: Vec<_> = Server::discover()?
        .iter()
        .map(Server::home)
        .collect::<Result<_>>()?;
    homes.sort();
    homes.dedup();
    for home in homes {
        for entry in fs::read_dir(&home)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let cluster =
                name.starts_with('c') && name[1..].starts_with(|c: char| c.is_ascii_digit());
            if !cluster {
                continue;
            }
            // The owner holds the lock as long as it lives.
            let Some(lock) = Lock::try_take(&name)? else {
                continue;
            };
            // The owner may have ended just now, and its keeper be at work.
            while entry.path().exists() && Instant::now() < grace {
                std::thread::sleep(Duration::from_millis(20));
            }
            proc::end_all_in(&entry.path())?;
            if remove(&entry.path())? {
                swept += 1;
            }
            lock.retire();
        }
    }
    Ok(swept)
}

/// Once in a process, before its first cluster.
pub(crate) fn once() -> Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_none() {
        sweep()?;
        DONE.get_or_init(|| ());
    }
    Ok(())
}

/// Whether there was something to remove. Its keeper may be at it at the same moment, and then files
/// vanish under our hands.
fn remove(dir: &Path) -> Result<bool> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(dir) {
            Ok(()) => return Ok(true),
            Err(_) if !dir.exists() => return Ok(false),
            Err(error) if tries == 20 => {
                return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
            }
            Err(_) => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
