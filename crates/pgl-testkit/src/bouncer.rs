//! A real pgbouncer in front of one database.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::cluster::{Cluster, conninfo};
use crate::proc;

/// A running pgbouncer; gone when dropped.
#[derive(Debug)]
pub struct Bouncer {
    child: Child,
    port: u16,
    database: String,
    dir: TempDir,
}

impl Bouncer {
    /// One that leads to a database of this cluster, as this role; `mode` is its `pool_mode`.
    pub fn start(cluster: &Cluster, database: &str, role: &str, mode: &str) -> Result<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .context("pgbouncer is not installed: cargo xtask setup does it")?;
        let dir = tempfile::Builder::new().prefix("pgl-bouncer-").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let ini = dir.path().join("pgbouncer.ini");
        // auth_type any needs the server's user in the line of the database.
        std::fs::write(
            &ini,
            format!(
                "[databases]\n{database} = {}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = any\nadmin_users = postgres\npool_mode = {mode}\nserver_lifetime = 3600\n\
                 logfile = {}/log\nmax_client_conn = 100\ndefault_pool_size = 50\nserver_login_retry = 1\n",
                Self::line(cluster, database, role),
                dir.path().display()
            ),
        )?;
        let mut command = Command::new(program);
        command
            .arg(&ini)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if proc::is_root() {
            // It refuses to run as root.
            Command::new("chown")
                .args(["-R", "postgres"])
                .arg(dir.path())
                .status()?;
            command.args(["-u", "postgres"]);
        }
        let bouncer = Self {
            child: command.spawn()?,
            port,
            database: database.to_owned(),
            dir,
        };
        let until = Instant::now() + Duration::from_secs(10);
        let config: postgres::Config = bouncer.dsn(role).parse()?;
        while config.connect(postgres::NoTls).is_err() {
            ensure!(
                Instant::now() < until,
                "pgbouncer does not answer: {}",
                bouncer.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(bouncer)
    }

    /// What the line of a database says that leads to this cluster.
    pub fn line(cluster: &Cluster, database: &str, role: &str) -> String {
        conninfo(&[
            ("host", "127.0.0.1"),
            ("port", &cluster.port().to_string()),
            ("dbname", database),
            ("user", role),
        ])
    }

    /// A conninfo string through it.
    pub fn dsn(&self, role: &str) -> String {
        self.to(role, &self.database)
    }

    /// A conninfo string of its admin console.
    pub fn admin(&self) -> String {
        self.to("postgres", "pgbouncer")
    }

    fn to(&self, role: &str, database: &str) -> String {
        conninfo(&[
            ("host", "127.0.0.1"),
            ("port", &self.port.to_string()),
            ("user", role),
            ("dbname", database),
        ])
    }

    /// Its configuration.
    pub fn ini(&self) -> PathBuf {
        self.dir.path().join("pgbouncer.ini")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What `scripts/hooks/pgbouncer.sh` wants in its environment to move the clients to this cluster.
    pub fn hook_env(&self, target: &Cluster, role: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PGBOUNCER_ADMIN", self.admin()),
            ("PGBOUNCER_INI", self.ini().display().to_string()),
            ("PGBOUNCER_DB", self.database.clone()),
            ("PGBOUNCER_TARGET", Self::line(target, &self.database, role)),
        ]
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
