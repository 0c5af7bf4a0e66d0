//! Gets the servers that a machine lacks: by apt-get what its own repositories have, by debootstrap
//! into the cache what only another suite has, by npm those without pglogical. Packages and suites only for root on
//! Debian and its kin; everyone else is told the exact commands.
//!
//! No service is ever started and no cluster made: the machine is not ours.

mod bare;
mod packages;
mod roots;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::proc::is_root;
use crate::server::{Server, advice};

pub use bare::unpack;
pub use packages::{install, refresh_lists};
pub use roots::bootstrap;

use packages::{candidate, installed};
use roots::suite_of;

/// Progress, one line at a time. May be called from several threads.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// What is to be done so that every wanted major is there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Work {
    /// Packages for `apt-get install`.
    pub packages: Vec<String>,
    /// Majors to bootstrap from another suite.
    pub roots: Vec<u16>,
    /// Majors without pglogical to get from npm.
    pub bare: Vec<u16>,
    /// Why the rest cannot be had, one line each.
    pub impossible: Vec<String>,
}

impl Work {
    /// Whether nothing is missing.
    pub fn is_done(&self) -> bool {
        self.packages.is_empty()
            && self.roots.is_empty()
            && self.bare.is_empty()
            && self.impossible.is_empty()
    }
}

/// Compares what the machine has with what is wanted. Changes nothing, asks no network.
///
/// `majors` are with pglogical, `bare` without. `tools` are further Debian packages, each with a file that proves it is
/// there in some other way.
pub fn look(majors: &[u16], bare: &[u16], tools: &[(&str, &str)]) -> Result<Work> {
    let have = Server::discover()?;
    let missing = |majors: &[u16], pglogical: bool| -> Vec<u16> {
        let mut missing = majors.to_vec();
        missing.retain(|major| {
            !have
                .iter()
                .any(|server| server.major() == *major && server.pglogical().is_some() == pglogical)
        });
        missing
    };
    let mut work = Work {
        bare: missing(bare, false),
        ..Work::default()
    };
    for (package, proof) in tools {
        if !proof_is_there(proof) && !installed(package) {
            work.packages.push((*package).to_owned());
        }
    }
    let apt = is_root() && on_path("apt-get");
    for major in missing(majors, true) {
        if !apt {
            work.impossible.push(advice(major));
            continue;
        }
        let server = format!("postgresql-{major}");
        let pglogical = format!("{server}-pglogical");
        if candidate(&pglogical) {
            if !installed(&server) {
                work.packages.push(server);
            }
            work.packages.push(pglogical);
        } else if suite_of(major).is_some() {
            work.roots.push(major);
        } else {
            work.impossible.push(advice(major));
        }
    }
    if !work.roots.is_empty() && !on_path("debootstrap") {
        work.packages.push("debootstrap".into());
    }
    if !work.bare.is_empty() && !on_path("npm") {
        work.packages.push("npm".into());
    }
    if !work.packages.is_empty() && !apt {
        let names = work.packages.join(" ");
        work.impossible.push(format!(
            "install these packages as root: apt-get install {names}"
        ));
        work.packages.clear();
    }
    Ok(work)
}

fn proof_is_there(proof: &str) -> bool {
    if proof.starts_with('/') {
        Path::new(proof).exists()
    } else {
        on_path(proof)
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|dir| dir.join(program).is_file())
}

fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
