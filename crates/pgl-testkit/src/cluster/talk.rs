//! Talks to a cluster: conninfo strings, sessions of the plain driver, the log.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use postgres::{Client, NoTls, SimpleQueryMessage};

use super::Cluster;
use crate::contents;

impl Cluster {
    /// A conninfo string for the superuser.
    pub fn dsn(&self, database: &str) -> String {
        self.dsn_as("postgres", database)
    }

    /// A conninfo string for a role.
    pub fn dsn_as(&self, role: &str, database: &str) -> String {
        conninfo(&[
            ("host", "127.0.0.1"),
            ("port", &self.port.to_string()),
            ("user", role),
            ("dbname", database),
        ])
    }

    /// A session of the plain driver, as the superuser.
    pub fn client(&self, database: &str) -> Result<Client> {
        self.client_as("postgres", database)
    }

    /// A session of the plain driver.
    pub fn client_as(&self, role: &str, database: &str) -> Result<Client> {
        let mut config = postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(role)
            .dbname(database)
            .application_name("pgl-testkit")
            .connect_timeout(Duration::from_secs(10));
        config.connect(NoTls).with_context(|| {
            format!(
                "cannot connect to {database} of the PostgreSQL {} cluster",
                self.major()
            )
        })
    }

    /// Runs statements in a session of their own; the rows of all of them as text, NULL as `None`.
    /// Several statements in one string are one transaction, as in the simple protocol.
    pub fn sql(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut client = self.client(database)?;
        contents::texts(&mut client, sql)
            .with_context(|| format!("in {database} of PostgreSQL {}", self.major()))
    }

    /// The first column of the first row as text; an error when there is no row, or NULL.
    pub fn value(&self, database: &str, sql: &str) -> Result<String> {
        let rows = self.sql(database, sql)?;
        rows.into_iter()
            .next()
            .and_then(|row| row.into_iter().next().flatten())
            .with_context(|| format!("no value from: {sql}"))
    }

    /// Waits until a query's first value is `t`.
    pub fn wait_until(&self, database: &str, sql: &str, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        let mut client = self.client(database)?;
        loop {
            let row = client
                .simple_query(sql)
                .with_context(|| format!("in {database}: {sql}"))?;
            let answer = row.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            if answer.as_deref() == Some("t") {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("not within {limit:?}, last answer {answer:?}: {sql}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes an empty database. From template0: a manager of pglogical may sit in template1 for a
    /// moment, and then nothing can be copied from there.
    pub fn createdb(&self, name: &str) -> Result<()> {
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {} TEMPLATE template0", quote(name)),
        )?;
        Ok(())
    }

    /// The same in an encoding of its own, in locale C, which goes with each.
    pub fn createdb_in(&self, name: &str, encoding: &str) -> Result<()> {
        self.sql(
            "postgres",
            &format!(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'",
                quote(name)
            ),
        )?;
        Ok(())
    }

    /// The server's log, from the first start on.
    pub fn log(&self) -> Result<String> {
        self.log_since(0)
    }

    /// How long the log is now, for [`Cluster::log_since`].
    pub fn log_mark(&self) -> Result<usize> {
        match fs::metadata(self.log_path()) {
            Ok(meta) => Ok(usize::try_from(meta.len())?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// What was logged since [`Cluster::log_mark`].
    pub fn log_since(&self, mark: usize) -> Result<String> {
        let mut bytes = Vec::new();
        match File::open(self.log_path()) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(String::from_utf8_lossy(bytes.get(mark..).unwrap_or_default()).into_owned())
    }

    /// The log file.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }
}

/// A conninfo string of these keywords, quoted as libpq wants it.
pub fn conninfo(words: &[(&str, &str)]) -> String {
    let quoted = |value: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
        if !value.is_empty() && value.chars().all(plain) {
            value.to_owned()
        } else {
            format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
        }
    };
    let words: Vec<_> = words
        .iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    words.join(" ")
}

/// An SQL identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
