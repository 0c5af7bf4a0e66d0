//! Packages from the machine's own repositories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Say, on_path, output};
use crate::cache::Lock;
use crate::proc::is_root;

/// Installs packages. `sources` are read anew first: a fresh machine has no lists, or old ones.
pub fn install(packages: &[String], say: Say<'_>) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let _lock = Lock::wait("apt")?;
    let quiet = QuietPackages::begin()?;
    say("reading the package lists");
    apt(&["update"])?;
    say(&format!("installing {}", packages.join(" ")));
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(packages.iter().map(String::as_str));
    apt(&args).with_context(|| format!("apt-get install {} failed", packages.join(" ")))?;
    drop(quiet);
    Ok(())
}

/// Reads the package lists where there are none: without them nothing is known to be available.
pub fn refresh_lists(say: Say<'_>) -> Result<()> {
    if is_root() && on_path("apt-get") && !candidate("debootstrap") {
        let _lock = Lock::wait("apt")?;
        say("reading the package lists");
        apt(&["update"])?;
    }
    Ok(())
}

/// Keeps PostgreSQL's packages from making and starting a cluster while this lives.
struct QuietPackages {
    path: PathBuf,
    made: bool,
}

impl QuietPackages {
    fn begin() -> Result<Self> {
        let dir = Path::new("/etc/postgresql-common/createcluster.d");
        let path = dir.join("pgl-lab.conf");
        if path.exists() {
            return Ok(Self { path, made: false });
        }
        fs::create_dir_all(dir)?;
        fs::write(&path, "create_main_cluster = false\n")?;
        Ok(Self { path, made: true })
    }
}

impl Drop for QuietPackages {
    fn drop(&mut self) {
        if self.made {
            // The machine's owner may want clusters later; a file that stays does no other harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn apt(args: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot run apt-get")?;
    if !output.status.success() {
        bail!(
            "apt-get {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}

pub(super) fn installed(package: &str) -> bool {
    output("dpkg-query", &["-W", "-f=${db:Status-Status}", package])
        .is_ok_and(|text| text == "installed")
}

pub(super) fn candidate(package: &str) -> bool {
    output("apt-cache", &["policy", package]).is_ok_and(|text| {
        text.lines()
            .any(|l| l.trim().starts_with("Candidate:") && !l.contains("(none)"))
    })
}
