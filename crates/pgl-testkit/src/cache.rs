//! Where the lab keeps its roots, templates and clusters, and the locks that keep processes apart.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::proc::is_root;

/// The cache directory: `PGL_LAB_CACHE`, else `/var/cache/pgl-lab` for root and
/// `$XDG_CACHE_HOME/pgl-lab` (`~/.cache/pgl-lab`) for everyone else. Made when missing.
pub fn dir() -> Result<PathBuf> {
    let dir = match std::env::var_os("PGL_LAB_CACHE") {
        Some(set) if !set.is_empty() => std::path::absolute(PathBuf::from(set))?,
        _ if is_root() => PathBuf::from("/var/cache/pgl-lab"),
        _ => match std::env::var_os("XDG_CACHE_HOME") {
            Some(xdg) if !xdg.is_empty() => PathBuf::from(xdg).join("pgl-lab"),
            _ => PathBuf::from(
                std::env::var_os("HOME")
                    .context("neither PGL_LAB_CACHE nor XDG_CACHE_HOME nor HOME is set")?,
            )
            .join(".cache/pgl-lab"),
        },
    };
    make(&dir)?;
    Ok(dir)
}

/// A directory below the cache directory, made when missing.
pub fn subdir(name: &str) -> Result<PathBuf> {
    let dir = dir()?.join(name);
    make(&dir)?;
    Ok(dir)
}

pub(crate) fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// An exclusive lock on a file of the cache; given up when dropped or when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits until nobody else holds the lock of this name.
    pub fn wait(name: &str) -> Result<Self> {
        let path = Self::path_of(name)?;
        let file = open(&path)?;
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { _file: file, path })
    }

    /// The lock, or `None` when another process holds it.
    pub fn try_take(name: &str) -> Result<Option<Self>> {
        let path = Self::path_of(name)?;
        let file = open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file, path })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The lock file of that name, which need not exist.
    pub(crate) fn path_of(name: &str) -> Result<PathBuf> {
        Ok(subdir("locks")?.join(format!("{name}.lock")))
    }

    /// Removes the file as well. Only for names that nobody takes a second time.
    pub(crate) fn retire(self) {
        // The file is empty and its name is unique: one left behind does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}
