//! Roots bootstrapped from the Debian suite that carries a major.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Say, output};
use crate::cache::{self, Lock};
use crate::server::{MAJORS, advice};

/// The Debian suite that carries a major with pglogical, and the debootstrap script for it where
/// debootstrap of an older release may not know the suite by name.
pub(super) fn suite_of(major: u16) -> Option<(&'static str, Option<&'static str>)> {
    match major {
        13 => Some(("bullseye", None)),
        15 => Some(("bookworm", None)),
        17 => Some(("trixie", Some("sid"))),
        18 => Some(("forky", Some("sid"))),
        EXPERIMENTAL => Some(("sid", None)),
        _ => None,
    }
}

/// The major that Debian has in experimental alone, and without pglogical: that is built in its root.
const EXPERIMENTAL: u16 = 19;

/// Run in a root of sid as `sh -c … sh MAJOR MIRROR`. Of pglogical the two shared objects and the SQL are enough. What
/// postgresql-server-dev depends on (clang and LLVM) is not needed, so its files are taken without it. A mirror may
/// be of a day in the past; debootstrap does not mind either.
const BUILD_PGLOGICAL: &str = r#"set -eu
mount -t proc proc /proc
printf 'deb %s experimental main\ndeb-src %s sid main\n' "$2" "$2" >/etc/apt/sources.list.d/pgl-lab.list
apt-get -o Acquire::Check-Valid-Until=false update
apt-get install -y --no-install-recommends \
    libpq5/experimental "postgresql-client-$1/experimental" "postgresql-$1/experimental"
apt-get install -y --no-install-recommends gcc make libc6-dev libkrb5-dev libpq-dev/experimental
mkdir /build
cd /build
apt-get download "postgresql-server-dev-$1/experimental"
dpkg -x *.deb /
apt-get source --tar-only pglogical
tar --strip-components=1 -xf pglogical_*.orig.tar.*
bin=/usr/lib/postgresql/$1/bin
make -s PG_CONFIG="$bin/pg_config" with_llvm=no SHLIB_LINK=-lpq pglogical.so pglogical_output.so pglogical.control
install -m 644 pglogical.so pglogical_output.so "$("$bin/pg_config" --pkglibdir)"
install -m 644 pglogical*.sql pglogical*.control "$("$bin/pg_config" --sharedir)/extension"
apt-get purge -y --autoremove gcc make libc6-dev libkrb5-dev libpq-dev
cd /
rm -r /build
"#;

/// Bootstraps roots, at most two at a time.
pub fn bootstrap(majors: &[u16], say: Say<'_>) -> Result<()> {
    for two in majors.chunks(2) {
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = two
                .iter()
                .map(|&major| scope.spawn(move || bootstrap_one(major, say)))
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| bail!("bootstrapping panicked"))
                })
                .collect()
        });
        results.into_iter().collect::<Result<()>>()?;
    }
    Ok(())
}

fn bootstrap_one(major: u16, say: Say<'_>) -> Result<()> {
    let (suite, script) = suite_of(major).with_context(|| advice(major))?;
    let root = cache::subdir("roots")?.join(major.to_string());
    let _lock = Lock::wait(&format!("root-{major}"))?;
    if root
        .join(format!("usr/lib/postgresql/{major}/bin/postgres"))
        .is_file()
    {
        return Ok(());
    }
    let mirror = mirror()?;
    let log = cache::subdir("logs")?.join(format!("root-{major}.log"));
    let partial = root.with_extension("partial");
    say(&format!(
        "bootstrapping PostgreSQL {major} from {suite} (about a minute; log in {})",
        log.display()
    ));
    let mut attempt = build_root(major, suite, script, &mirror, &partial, &log);
    if attempt.is_err() {
        say(&format!("bootstrapping {suite} failed, trying once more"));
        attempt = build_root(major, suite, script, &mirror, &partial, &log);
    }
    attempt.with_context(|| {
        format!(
            "cannot bootstrap PostgreSQL {major} from Debian {suite}. Where that suite has moved away from this \
             machine's mirror, name one that has it in PGL_LAB_MIRROR, or install the packages postgresql-{major} \
             and postgresql-{major}-pglogical by hand and name their bin directory in PGL_LAB_BINDIRS. The log is {}",
            log.display()
        )
    })?;
    fs::rename(&partial, &root)?;
    say(&format!("PostgreSQL {major} is ready"));
    Ok(())
}

/// Two stages, because the files that keep packages from starting servers and making clusters have to
/// be there before the packages are configured.
fn build_root(
    major: u16,
    suite: &str,
    script: Option<&str>,
    mirror: &str,
    partial: &Path,
    log: &Path,
) -> Result<()> {
    discard_root(partial)?;
    let log_file = File::create(log)?;
    let mut first = Command::new("debootstrap");
    first.args(["--foreign", "--variant=minbase", "--force-check-gpg"]);
    if major != EXPERIMENTAL {
        first.arg(format!(
            "--include=postgresql-{major},postgresql-{major}-pglogical"
        ));
    }
    if let Some(keyring) = keyring()? {
        first.arg(format!("--keyring={}", keyring.display()));
    }
    first.arg(suite).arg(partial).arg(mirror);
    if let Some(script) = script.filter(|_| {
        !Path::new("/usr/share/debootstrap/scripts")
            .join(suite)
            .exists()
    }) {
        first.arg(script);
    }
    if let Some(proxy) = proxy() {
        first.env("http_proxy", proxy);
    }
    run_logged(&mut first, &log_file, log)?;
    let policy = partial.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))?;
    let common = partial.join("etc/postgresql-common/createcluster.d");
    fs::create_dir_all(&common)?;
    fs::write(common.join("pgl-lab.conf"), "create_main_cluster = false\n")?;
    let mut second = Command::new("chroot");
    second
        .arg(partial)
        .args(["/debootstrap/debootstrap", "--second-stage"]);
    let mut result = run_logged(&mut second, &log_file, log);
    if result.is_ok() && major == EXPERIMENTAL {
        let mut third = Command::new("chroot");
        third
            .arg(partial)
            .args(["sh", "-c", BUILD_PGLOGICAL, "sh"])
            .args([&major.to_string(), mirror]);
        if let Some(proxy) = proxy() {
            third.env("http_proxy", proxy);
        }
        result = run_logged(&mut third, &log_file, log);
    }
    unmount_below(partial)?;
    result?;
    // Several hundred files that nobody needs again.
    for dir in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        let dir = partial.join(dir);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
    }
    let bin = partial.join(format!("usr/lib/postgresql/{major}/bin/postgres"));
    if !bin.is_file() {
        bail!("{suite} gave no {}", bin.display());
    }
    Ok(())
}

fn run_logged(command: &mut Command, log_file: &File, log: &Path) -> Result<()> {
    let status = command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .stdin(Stdio::null())
        .stdout(log_file.try_clone()?)
        .stderr(log_file.try_clone()?)
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(8).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    bail!(
        "{} ended with {status}; its log ends:\n{}",
        command.get_program().to_string_lossy(),
        tail.join("\n")
    )
}

/// Removes a half-built root. What an interrupted bootstrap mounted in it goes first.
fn discard_root(partial: &Path) -> Result<()> {
    if partial.exists() {
        unmount_below(partial)?;
        fs::remove_dir_all(partial)
            .with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    Ok(())
}

fn unmount_below(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut points: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| Path::new(point).starts_with(dir))
        .collect();
    points.sort_unstable();
    for point in points.into_iter().rev() {
        let status = Command::new("umount").args(["--lazy", point]).status()?;
        if !status.success() {
            bail!("cannot unmount {point}");
        }
    }
    Ok(())
}

/// `PGL_LAB_MIRROR`, else where this machine gets its own Debian packages from.
fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var("PGL_LAB_MIRROR")
        && !mirror.is_empty()
    {
        return Ok(mirror);
    }
    let targets = output(
        "apt-get",
        &[
            "indextargets",
            "--format",
            "$(SITE)|$(ORIGIN)|$(LABEL)",
            "Created-By: Packages",
        ],
    )?;
    let site = targets
        .lines()
        .filter_map(|line| line.split_once('|'))
        .find(|(_, rest)| *rest == "Debian|Debian")
        .map(|(site, _)| site.to_owned())
        .context(
            "apt-get on this machine knows no Debian mirror; name one in PGL_LAB_MIRROR \
             (and install the package debian-archive-keyring)",
        )?;
    // Cloud images name a list of mirrors in a file.
    if let Some(file) = site.strip_prefix("mirror+file:") {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        return text
            .split_whitespace()
            .find(|word| word.starts_with("http"))
            .map(str::to_owned)
            .with_context(|| format!("no mirror in {file}"));
    }
    Ok(site)
}

/// The newest set of Debian's keys on this machine; a root of a newer suite may know more keys than
/// the machine itself.
fn keyring() -> Result<Option<PathBuf>> {
    let name = "usr/share/keyrings/debian-archive-keyring.gpg";
    let own = Path::new("/").join(name);
    if own.is_file() {
        return Ok(Some(own));
    }
    for major in MAJORS.iter().rev() {
        let other = cache::subdir("roots")?.join(major.to_string()).join(name);
        if other.is_file() {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

fn proxy() -> Option<String> {
    let text = output("apt-config", &["shell", "PROXY", "Acquire::http::Proxy"]).ok()?;
    let value = text.trim().strip_prefix("PROXY='")?.strip_suffix('\'')?;
    (!value.is_empty() && value != "DIRECT").then(|| value.to_owned())
}
