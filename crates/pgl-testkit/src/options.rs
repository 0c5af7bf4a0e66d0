//! What a test may want different about a cluster.

use std::path::PathBuf;

/// Settings, authentication and files of one cluster, on top of what makes a server fit for
/// pglogical. The last word wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) removed: Vec<String>,
    pub(crate) hba: Option<String>,
    pub(crate) files: Vec<(String, Vec<u8>, u32)>,
    pub(crate) standby_of: Option<PathBuf>,
}

impl ClusterOptions {
    /// The defaults: `wal_level = logical`, pglogical preloaded and allowed as an output plugin,
    /// 24 workers, slots and senders, commit timestamps, no fsync, trust on the loopback address.
    pub fn new() -> Self {
        Self::default()
    }

    /// One setting, as it would stand in `postgresql.conf` between the quotes:
    /// `set("wal_level", "replica")`, `set("shared_preload_libraries", "")`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a setting at the server's own default: `unset("output_plugin_libraries")` gives a server
    /// as the packages ship it, one that refuses pglogical's output plugin.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.removed.push(name.to_owned());
        self
    }

    /// The whole of `pg_hba.conf`. It has to let `postgres` in from 127.0.0.1, or nothing works.
    #[must_use]
    pub fn hba(mut self, text: &str) -> Self {
        self.hba = Some(text.to_owned());
        self
    }

    /// A file in the data directory (a certificate, a key), owned by the server's user.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.files.push((name.to_owned(), content.into(), mode));
        self
    }
}
