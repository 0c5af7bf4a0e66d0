//! The files of a cluster: copied from the template, or from a primary, and configured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::Cluster;
use crate::options::ClusterOptions;
use crate::proc::give;
use crate::server::Server;
use crate::{sysid, template};

impl Cluster {
    /// Files only: nothing runs yet. What was begun is removed when it fails.
    pub(super) fn prepare(server: &Server, name: String, options: &ClusterOptions) -> Result<Self> {
        let dir = server.home()?.join(&name);
        let template = match &options.standby_of {
            Some(_) => None,
            None => Some(template::of(server)?),
        };
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let cluster = Self {
            server: server.clone(),
            name,
            dir,
            port: 0,
            keeper: None,
            lock: None,
            detached: false,
        };
        give(&cluster.dir, server.owner())?;
        let data = cluster.data_dir();
        match (template, &options.standby_of) {
            (Some(template), _) => {
                template::copy(&template, &data)?;
                // Before 10 pg_control looks otherwise, and npm's packages lack the program: such a cluster keeps the
                // template's identity.
                if server.bindir().join("pg_resetwal").is_file() {
                    sysid::renew(&data)?;
                    server.run(
                        "pg_resetwal",
                        &["-D", &server.inside(&data).to_string_lossy()],
                    )?;
                }
            }
            (None, Some(backup)) => template::copy(backup, &data)?,
            (None, None) => bail!("neither a template nor a backup"),
        }
        cluster.write_conf(options)?;
        Ok(cluster)
    }

    fn write_conf(&self, options: &ClusterOptions) -> Result<()> {
        let conf = self.data_dir().join("postgresql.conf");
        let mut text = fs::read_to_string(&conf)?;
        if !options.removed.is_empty() {
            text = text
                .lines()
                .filter(|line| {
                    let name = line.split('=').next().unwrap_or_default().trim();
                    !options.removed.iter().any(|removed| removed == name)
                })
                .flat_map(|line| [line, "\n"])
                .collect();
        }
        if let Some(socket) = self.socket_dir() {
            let inside = self.server.inside(&socket);
            text.push_str(&template::line(
                "unix_socket_directories",
                &inside.to_string_lossy(),
            ));
        } else {
            text.push_str(&template::line("unix_socket_directories", ""));
        }
        for (name, value) in &options.settings {
            text.push_str(&template::line(name, value));
        }
        fs::write(&conf, text)?;
        for (name, content, mode) in &options.files {
            self.put_file(name, content, *mode)?;
        }
        if let Some(hba) = &options.hba {
            self.put_file("pg_hba.conf", hba.as_bytes(), 0o600)?;
        }
        Ok(())
    }

    /// Writes a file into the data directory, owned by the server's user.
    pub fn put_file(&self, name: &str, content: &[u8], mode: u32) -> Result<PathBuf> {
        let path = self.data_dir().join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        give(&path, self.server.owner())?;
        Ok(path)
    }

    /// Appends settings to `postgresql.conf`; [`Cluster::reload`] or [`Cluster::restart`] applies them.
    pub fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let conf = self.data_dir().join("postgresql.conf");
        let mut text = fs::read_to_string(&conf)?;
        for (name, value) in settings {
            text.push_str(&template::line(name, value));
        }
        Ok(fs::write(&conf, text)?)
    }

    /// A physical standby of this cluster, streaming from it.
    pub fn standby(&self, options: ClusterOptions) -> Result<Self> {
        let backup = tempfile::Builder::new()
            .prefix("backup-")
            .tempdir_in(self.server.home()?)?;
        give(backup.path(), self.server.owner())?;
        let target = backup.path().join("data");
        self.server.run(
            "pg_basebackup",
            &[
                "-D",
                &self.server.inside(&target).to_string_lossy(),
                "-d",
                &self.dsn("postgres"),
                "-X",
                "stream",
                "-c",
                "fast",
                "-R",
                "-N",
            ],
        )?;
        let mut options = options;
        options.standby_of = Some(target);
        Self::start_on(&self.server, options)
    }
}
