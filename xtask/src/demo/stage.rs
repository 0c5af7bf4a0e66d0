//! What the steps of the demo share: two servers, a load, and a place to tell the story.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use pgl_testkit::load::Writers;
use pgl_testkit::{Pair, Server};
use tempfile::TempDir;

use crate::run::root;

/// The database that the demo moves.
pub(super) const DATABASE: &str = "shop";

pub(super) struct Stage {
    pub(super) pair: Pair,
    pub(super) writers: Option<Writers>,
    /// Where the tools' documents go.
    documents: TempDir,
    bin: PathBuf,
    /// pg_dump that is new enough for both servers.
    programs: PathBuf,
}

impl Stage {
    pub(super) fn set(source_major: u16, target_major: u16) -> Result<Self> {
        let pair = Pair::start(source_major, target_major)?;
        pair.createdb(DATABASE)?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from);
        let programs = Server::require(source_major.max(target_major))?.client_dir()?;
        Ok(Self {
            pair,
            writers: None,
            documents: TempDir::new()?,
            programs,
            bin: target.join("debug"),
        })
    }

    pub(super) fn tell(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Runs a tool where everybody can see it. Every exit code but these is a failure of the demo.
    pub(super) fn run(&self, tool: &str, args: &[&str], accepted: &[i32]) -> Result<i32> {
        self.tell(&format!("     $ {tool} {}", args.join(" ")))?;
        let status = self
            .command(tool, args)
            .status()
            .with_context(|| format!("cannot run {tool}"))?;
        match status.code() {
            Some(code) if accepted.contains(&code) => {
                self.tell(&format!("     (exit code {code})"))?;
                Ok(code)
            }
            _ => bail!("{tool}: {status}"),
        }
    }

    /// Runs a tool whose document goes into a file that later tools are given.
    pub(super) fn write(&self, tool: &str, args: &[&str], file: &str) -> Result<()> {
        self.tell(&format!("     $ {tool} {} > {file}", args.join(" ")))?;
        let document = File::create(self.document(file))?;
        let status = self
            .command(tool, args)
            .stdout(document)
            .status()
            .with_context(|| format!("cannot run {tool}"))?;
        if !status.success() {
            bail!("{tool}: {status}");
        }
        Ok(())
    }

    /// Whichever server accepts writes, as a client writes it down that is to follow by itself.
    pub(super) fn anywhere(&self, role: &str) -> String {
        format!(
            "host=127.0.0.1,127.0.0.1 port={},{} user={role} dbname={DATABASE} target_session_attrs=read-write",
            self.pair.source.port(),
            self.pair.target.port()
        )
    }

    /// Whether replication can go back: 9.4 does not write down where a change came from.
    pub(super) fn has_way_back(&self) -> bool {
        !self.pair.source.server().version().starts_with("9.4")
    }

    /// The path of a document.
    pub(super) fn document(&self, file: &str) -> PathBuf {
        self.documents.path().join(file)
    }

    fn command(&self, tool: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(tool));
        command
            .args(args)
            .current_dir(self.documents.path())
            .envs(self.pair.env(DATABASE))
            .env("PGL_PG_BINDIR", &self.programs);
        command
    }
}
