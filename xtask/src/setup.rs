//! `cargo xtask setup`: what the project needs on this machine. Fast when nothing is missing.
//!
//! Installs packages and bootstraps server roots as root on Debian and its kin; everywhere else, and
//! for everyone else, says what to install. Starts no service.

use anyhow::{Result, bail};
use pgl_testkit::obtain::{self, Work};
use pgl_testkit::{BARE_MAJORS, MAJORS, Server};

use crate::run::say;

/// Debian packages besides the servers, each with a program or file that proves it is there.
const TOOLS: &[(&str, &str)] = &[
    ("pkg-config", "pkg-config"),
    ("libssl-dev", "/usr/include/openssl/ssl.h"),
    ("openssl", "openssl"),
    ("postgresql-client", "psql"),
    ("jq", "jq"),
    ("pgbouncer", "/usr/sbin/pgbouncer"),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only say what is missing; exit 1 when something is.
    #[arg(long)]
    check: bool,
    /// The majors to provide with pglogical; those that the tests want without it come in any case.
    #[arg(long, value_delimiter = ',', default_values_t = MAJORS)]
    majors: Vec<u16>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    if args.check {
        return check(&args.majors);
    }
    servers(&packages(&args.majors, &BARE_MAJORS)?)?;
    for server in Server::discover()? {
        let pglogical = server.pglogical().map_or("without pglogical".into(), |v| {
            format!("with pglogical {v}")
        });
        say(&format!(
            "PostgreSQL {} {pglogical}: {}",
            server.version(),
            server.bindir().display()
        ));
    }
    Ok(())
}

fn check(majors: &[u16]) -> Result<()> {
    let work = obtain::look(majors, &BARE_MAJORS, TOOLS)?;
    for package in &work.packages {
        say(&format!("missing package: {package}"));
    }
    for major in &work.roots {
        say(&format!("to be bootstrapped: PostgreSQL {major}"));
    }
    for major in &work.bare {
        say(&format!("to be had from npm: PostgreSQL {major}"));
    }
    for line in &work.impossible {
        say(line);
    }
    if !work.is_done() {
        bail!("something is missing");
    }
    say("nothing is missing");
    Ok(())
}

/// Servers with pglogical, now.
pub(crate) fn provide(majors: &[u16]) -> Result<()> {
    servers(&packages(majors, &[])?)
}

/// The part that building the workspace needs, too; what is left is for [`servers`].
pub(crate) fn packages(majors: &[u16], bare: &[u16]) -> Result<Work> {
    let mut work = obtain::look(majors, bare, TOOLS)?;
    if work.is_done() {
        return Ok(work);
    }
    obtain::refresh_lists(&say)?;
    // With lists, more may be available from the machine's own repositories.
    work = obtain::look(majors, bare, TOOLS)?;
    if !work.impossible.is_empty() {
        bail!("{}", work.impossible.join("\n"));
    }
    obtain::install(&work.packages, &say)?;
    Ok(work)
}

/// The servers that are in no package of this machine.
pub(crate) fn servers(work: &Work) -> Result<()> {
    obtain::bootstrap(&work.roots, &say)?;
    obtain::unpack(&work.bare, &say)
}
