//! `cargo xtask lab`: a source and a target to try the tools on by hand.
//!
//!     eval "$(cargo xtask lab up --source 13 --target 17)"
//!     pgl-preflight
//!     cargo xtask lab down
//!
//! The clusters live on after the command; their ports and directories stand in the lab's cache.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use pgl_testkit::{Cluster, ClusterOptions, Server, cache, conninfo, proc};
use serde::{Deserialize, Serialize};

use crate::run::say;
use crate::setup;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start two clusters and print the exports for `eval`.
    Up {
        /// The major version of the source.
        #[arg(long, default_value_t = 13)]
        source: u16,
        /// The major version of the target.
        #[arg(long, default_value_t = 17)]
        target: u16,
        /// What to call this lab.
        #[arg(long, default_value = "lab")]
        name: String,
        /// The database to make on both sides.
        #[arg(long, default_value = "app")]
        db: String,
    },
    /// Show the labs that are up, with their exports.
    List,
    /// End a lab and remove its data.
    Down {
        /// Which one; the only one when left out.
        name: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
}

#[derive(Serialize, Deserialize)]
struct Lab {
    database: String,
    source: Side,
    target: Side,
}

#[derive(Serialize, Deserialize)]
struct Side {
    version: String,
    port: u16,
    dir: PathBuf,
}

pub(crate) fn main(args: Args) -> Result<()> {
    match args.action {
        Action::Up {
            source,
            target,
            name,
            db,
        } => up(source, target, &name, &db),
        Action::List => list(),
        Action::Down { name, all } => down(name.as_deref(), all),
    }
}

fn up(source: u16, target: u16, name: &str, db: &str) -> Result<()> {
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    {
        bail!("a lab's name consists of letters, digits, - and _");
    }
    let _lock = cache::Lock::wait("labs")?;
    if let Some(lab) = read(name)? {
        if lab.source.runs() && lab.target.runs() {
            if !lab.is(source, target, db) {
                bail!(
                    "the lab {name} is up with other versions or another database; `cargo xtask lab down {name}` first"
                );
            }
            say(&format!("the lab {name} is up already"));
            return export(&lab);
        }
        remove(name, &lab)?;
    }
    setup::provide(&[source, target])?;
    say(&format!("starting PostgreSQL {source} and {target}"));
    // A lab whose start was interrupted has no state file.
    let start = |major: u16, role: &str| -> Result<Side> {
        let server = Server::require(major)?;
        let options = ClusterOptions::new();
        let cluster = Cluster::start_detached(&server, &format!("lab-{name}-{role}"), &options)?;
        let side = Side {
            version: server.version().to_owned(),
            port: cluster.port(),
            dir: cluster.dir().to_owned(),
        };
        if let Err(error) = cluster.createdb(db) {
            side.remove()?;
            return Err(error);
        }
        Ok(side)
    };
    let source = start(source, "source")?;
    let target = match start(target, "target") {
        Ok(target) => target,
        Err(error) => {
            source.remove()?;
            return Err(error);
        }
    };
    let lab = Lab {
        database: db.to_owned(),
        source,
        target,
    };
    fs::write(state(name)?, serde_json::to_string_pretty(&lab)?)?;
    say(&format!("end it with: cargo xtask lab down {name}"));
    export(&lab)
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for name in names()? {
        let Some(lab) = read(&name)? else { continue };
        for (role, variable, side) in [
            ("source", "PGL_SOURCE", &lab.source),
            ("target", "PGL_TARGET", &lab.target),
        ] {
            let state = if side.runs() { "running" } else { "stopped" };
            writeln!(
                out,
                "{name}\t{role}\t{}\t{state}\t{variable}='{}'",
                side.version,
                side.dsn(&lab.database)
            )?;
        }
    }
    Ok(())
}

fn down(name: Option<&str>, all: bool) -> Result<()> {
    let _lock = cache::Lock::wait("labs")?;
    let known = names()?;
    let chosen: Vec<String> = match name {
        Some(name) if known.iter().any(|other| other == name) => vec![name.to_owned()],
        Some(name) => bail!("no lab is called {name}; there are: {}", known.join(", ")),
        None if all || known.len() <= 1 => known,
        None => bail!("which one? there are: {} (or --all)", known.join(", ")),
    };
    if chosen.is_empty() {
        say("no lab is up");
    }
    for name in chosen {
        if let Some(lab) = read(&name)? {
            remove(&name, &lab)?;
            say(&format!("the lab {name} is gone"));
        }
    }
    Ok(())
}

fn export(lab: &Lab) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, side) in [("PGL_SOURCE", &lab.source), ("PGL_TARGET", &lab.target)] {
        let value = side.dsn(&lab.database).replace('\'', r"'\''");
        writeln!(out, "export {name}='{value}'")?;
    }
    // pg_dump has to be as new as both servers; the machine's own may be older.
    let newest = lab.source.major()?.max(lab.target.major()?);
    let programs = Server::require(newest)?.client_dir()?;
    writeln!(out, "export PGL_PG_BINDIR='{}'", programs.display())?;
    Ok(())
}

impl Lab {
    fn is(&self, source: u16, target: u16, db: &str) -> bool {
        let major = |side: &Side, major: u16| side.major().is_ok_and(|own| own == major);
        major(&self.source, source) && major(&self.target, target) && self.database == db
    }
}

impl Side {
    fn major(&self) -> Result<u16> {
        let mut words = self.version.split(|c: char| !c.is_ascii_digit());
        Ok(words.next().unwrap_or_default().parse()?)
    }

    fn dsn(&self, database: &str) -> String {
        conninfo(&[
            ("host", "127.0.0.1"),
            ("port", &self.port.to_string()),
            ("user", "postgres"),
            ("dbname", database),
        ])
    }

    fn runs(&self) -> bool {
        !proc::working_in(&self.dir).is_empty()
    }

    fn remove(&self) -> Result<()> {
        proc::end_all_in(&self.dir)?;
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)
                .with_context(|| format!("cannot remove {}", self.dir.display()))?;
        }
        Ok(())
    }
}

fn remove(name: &str, lab: &Lab) -> Result<()> {
    lab.source.remove()?;
    lab.target.remove()?;
    Ok(fs::remove_file(state(name)?)?)
}

fn state(name: &str) -> Result<PathBuf> {
    Ok(cache::subdir("labs")?.join(format!("{name}.json")))
}

fn read(name: &str) -> Result<Option<Lab>> {
    let path = state(name)?;
    match fs::read_to_string(&path) {
        Ok(text) => {
            Ok(Some(serde_json::from_str(&text).with_context(|| {
                format!("cannot read {}", path.display())
            })?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn names() -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(cache::subdir("labs")?)?
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let json = path.extension().is_some_and(|ext| ext == "json");
            let stem = Path::new(path.file_stem()?).to_string_lossy().into_owned();
            json.then_some(stem)
        })
        .collect();
    names.sort();
    Ok(names)
}
