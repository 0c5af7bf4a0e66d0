//! A source and a target of their own, for tests that restart, kill or reconfigure servers.

use anyhow::Result;

use crate::cluster::Cluster;
use crate::options::ClusterOptions;
use crate::server::Server;

/// Two clusters.
#[derive(Debug)]
pub struct Pair {
    /// The database to move lives here.
    pub source: Cluster,
    /// Its subscriber.
    pub target: Cluster,
}

impl Pair {
    /// Two clusters with the default options.
    pub fn start(source_major: u16, target_major: u16) -> Result<Self> {
        Self::start_with(
            source_major,
            ClusterOptions::new(),
            target_major,
            ClusterOptions::new(),
        )
    }

    /// Two clusters, started at the same time.
    pub fn start_with(
        source_major: u16,
        source_options: ClusterOptions,
        target_major: u16,
        target_options: ClusterOptions,
    ) -> Result<Self> {
        let (source, target) = std::thread::scope(|scope| {
            let other = scope.spawn(move || Cluster::start(target_major, target_options));
            let source = Cluster::start(source_major, source_options);
            let target = other
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("starting the target panicked")));
            (source, target)
        });
        Ok(Self {
            source: source?,
            target: target?,
        })
    }

    /// Makes an empty database of this name on both sides.
    pub fn createdb(&self, name: &str) -> Result<()> {
        self.source.createdb(name)?;
        self.target.createdb(name)
    }

    /// `PGL_SOURCE` and `PGL_TARGET` for a database that has the same name on both sides, and `PGL_PG_BINDIR` with the
    /// programs of the newer server.
    pub fn env(&self, database: &str) -> Vec<(String, String)> {
        let mut all = vec![
            ("PGL_SOURCE".into(), self.source.dsn(database)),
            ("PGL_TARGET".into(), self.target.dsn(database)),
        ];
        let newest = self.source.major().max(self.target.major());
        // Without them a tool finds out by itself.
        if let Ok(dir) = Server::require(newest).and_then(|server| server.client_dir()) {
            all.push(("PGL_PG_BINDIR".into(), dir.display().to_string()));
        }
        all
    }
}
