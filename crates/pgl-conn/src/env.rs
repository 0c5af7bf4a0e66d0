//! What the process gives to a connection: PG* variables, home directory, account name, files.
//! Captured once and passed in, so that reading a connection string stays a pure function.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of a file before reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// A regular file, not a pipe, socket or directory.
    pub regular: bool,
    /// A socket.
    pub socket: bool,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
}

/// The files that a connection string can lead to.
pub trait Files: Send + Sync {
    /// The whole content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What it is; an error where it does not exist.
    fn facts(&self, path: &Path) -> io::Result<FileFacts>;
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let meta = std::fs::metadata(path)?;
        Ok(FileFacts {
            regular: meta.is_file(),
            socket: meta.file_type().is_socket(),
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
        })
    }
}

/// Files in memory, for tests: path to content and permission bits.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(pub BTreeMap<PathBuf, (Vec<u8>, u32)>);

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(found.0.clone())
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let found = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(FileFacts {
            regular: true,
            socket: path.to_string_lossy().contains(".s.PGSQL."),
            mode: found.1,
            uid: 0,
        })
    }
}

/// The surroundings in which a connection string is read.
#[derive(Clone)]
pub struct Environment {
    vars: BTreeMap<String, OsString>,
    home: Option<PathBuf>,
    user: Option<String>,
    files: Arc<dyn Files>,
}

impl Environment {
    /// Of this process: every variable whose name begins with `PG` (also `PGL_SOURCE` and
    /// `PGL_TARGET`), the home directory, the name of the account, and the disk.
    pub fn capture() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with("PG"))
            .collect();
        Self {
            vars,
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            user: whoami::username().ok(),
            files: Arc::new(Disk),
        }
    }

    /// No variables, no home, no account name, the disk.
    pub fn bare() -> Self {
        Self {
            vars: BTreeMap::new(),
            home: None,
            user: None,
            files: Arc::new(Disk),
        }
    }

    /// Sets one variable.
    #[must_use]
    pub fn with_var(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the home directory.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Sets the account name, which is the default for `user`.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Puts other files in place of the disk.
    #[must_use]
    pub fn with_files(mut self, files: impl Files + 'static) -> Self {
        self.files = Arc::new(files);
        self
    }

    pub(crate) fn var(&self, name: &str) -> Option<&OsString> {
        self.vars.get(name)
    }

    /// The names of the variables that are set, without their values.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.vars.keys().map(String::as_str)
    }

    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// A file below the home directory's `.postgresql`.
    pub(crate) fn home_file(&self, name: &str) -> Option<PathBuf> {
        self.home().map(|home| home.join(".postgresql").join(name))
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn files(&self) -> &dyn Files {
        &*self.files
    }
}

/// Names only: the values may be passwords.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("vars", &self.vars.keys().collect::<Vec<_>>())
            .field("home", &self.home)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
