//! The servers that this machine has: installed ones first, then the roots in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::proc::{is_root, user_in};
use crate::{cache, clients};

/// The majors that the tests migrate between.
pub const MAJORS: [u16; 4] = [13, 15, 17, 18];

/// The majors before and between them, of which the tests have servers without pglogical.
pub const BARE_MAJORS: [u16; 5] = [10, 11, 12, 14, 16];

/// Set for `cargo xtask test --newest`: 18 and 19 stand in for 17 and 18, so that every test can be run on a major that
/// is not among [`MAJORS`] yet.
pub const NEWEST: &str = "PGL_LAB_NEWEST";

fn replaced(major: u16) -> bool {
    [17, 18].contains(&major) && std::env::var_os(NEWEST).is_some()
}

/// What to do by hand so that a major is there.
pub(crate) fn advice(major: u16) -> String {
    let how = if is_root() {
        format!("run `cargo xtask setup --majors {major}`")
    } else {
        format!(
            "have it installed (on Debian and Ubuntu: \
             sudo apt-get install postgresql-{major} postgresql-{major}-pglogical; from the PGDG yum repository: \
             sudo dnf install postgresql{major}-server pglogical_{major}), or run this as root, who can \
             bootstrap it with `cargo xtask setup --majors {major}`"
        )
    };
    format!(
        "no PostgreSQL {major} with pglogical found in PGL_LAB_BINDIRS, /usr/lib/postgresql, /usr/pgsql-* \
         or the lab's cache: {how}"
    )
}

/// One PostgreSQL installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    major: u16,
    version: String,
    /// As seen inside `root`.
    bindir: PathBuf,
    root: Option<PathBuf>,
    pglogical: Option<String>,
    owner: Option<(u32, u32)>,
}

impl Server {
    /// Every server found, best first for each major: with pglogical before without, `PGL_LAB_BINDIRS`
    /// (colon-separated `bin` directories) before `/usr/lib/postgresql/*/bin` and `/usr/pgsql-*/bin`
    /// before those in the cache (the roots there only for root: they need chroot).
    pub fn discover() -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for (root, bindir) in candidates()? {
            if let Some(server) = Self::at(root, bindir)? {
                found.push(server);
            }
        }
        // Stable: keeps the order of preference within one major.
        found.sort_by_key(|server| (server.major, server.pglogical.is_none()));
        Ok(found)
    }

    /// The server of this major with pglogical. The error names the commands that would bring it.
    pub fn require(major: u16) -> Result<Self> {
        // The newest client programs serve either.
        Self::exactly(if replaced(major) { 19 } else { major })
    }

    /// The server that a test's cluster of this major runs on.
    pub(crate) fn stand_in(major: u16) -> Result<Self> {
        Self::exactly(major + u16::from(replaced(major)))
    }

    /// The server of this major without pglogical, one of [`BARE_MAJORS`].
    pub fn bare(major: u16) -> Result<Self> {
        Self::find(major, false)?.with_context(|| {
            format!("no PostgreSQL {major} without pglogical found: run `cargo xtask setup`")
        })
    }

    fn exactly(major: u16) -> Result<Self> {
        Self::find(major, true)?.ok_or_else(|| anyhow!(advice(major)))
    }

    fn find(major: u16, pglogical: bool) -> Result<Option<Self>> {
        static FOUND: OnceLock<Vec<Server>> = OnceLock::new();
        let all = match FOUND.get() {
            Some(all) => all,
            None => {
                let all = Self::discover()?;
                FOUND.get_or_init(|| all)
            }
        };
        let fits =
            |server: &&Self| server.major == major && server.pglogical.is_some() == pglogical;
        Ok(all.iter().find(fits).cloned())
    }

    fn at(root: Option<PathBuf>, bindir: PathBuf) -> Result<Option<Self>> {
        let outside = join_root(root.as_deref(), &bindir);
        if !outside.join("postgres").is_file() || !outside.join("initdb").is_file() {
            return Ok(None);
        }
        let owner =
            if is_root() {
                let base = root.as_deref().unwrap_or(Path::new("/"));
                let user = ["postgres", "nobody"]
                    .iter()
                    .find_map(|name| user_in(base, name));
                Some(user.with_context(|| {
                    format!("{} knows neither postgres nor nobody", base.display())
                })?)
            } else {
                None
            };
        let mut server = Self {
            major: 0,
            version: String::new(),
            bindir,
            root,
            pglogical: None,
            owner,
        };
        let output = server.command("postgres").arg("--version").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(version) = text
            .split_whitespace()
            .nth(2)
            .filter(|_| output.status.success())
        else {
            if let Some(root) = &server.root {
                bail!(
                    "the root {} is broken, remove it and run `cargo xtask setup`: {}",
                    root.display(),
                    String::from_utf8_lossy(&output.stderr).trim_end()
                );
            }
            // Somebody else's broken installation is as good as absent.
            return Ok(None);
        };
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        server.major = digits
            .parse()
            .with_context(|| format!("cannot read the version {version:?}"))?;
        server.version = version.to_owned();
        server.pglogical = server.extension_version("pglogical");
        Ok(Some(server))
    }

    /// The default version of an extension, or `None` when it is not installed there.
    pub fn extension_version(&self, extension: &str) -> Option<String> {
        self.extension_file(&format!("{extension}.control"))?
            .lines()
            .filter_map(|line| line.trim().strip_prefix("default_version"))
            .find_map(|rest| rest.split('\'').nth(1).map(str::to_owned))
    }

    /// What a file of an extension holds (`pglogical.control`), or `None` when it is not installed there.
    pub fn extension_file(&self, name: &str) -> Option<String> {
        let shares = [
            format!("/usr/share/postgresql/{}", self.major),
            self.bindir.join("../share").to_string_lossy().into_owned(),
            self.bindir
                .join("../share/postgresql")
                .to_string_lossy()
                .into_owned(),
        ];
        shares
            .iter()
            // /usr/share/postgresql/NN belongs to /usr/lib/postgresql/NN alone.
            .filter(|share| {
                !share.starts_with("/usr/share") || self.bindir.starts_with("/usr/lib/postgresql")
            })
            .find_map(|share| {
                let file = Path::new(share).join("extension").join(name);
                fs::read_to_string(join_root(self.root.as_deref(), &file)).ok()
            })
    }

    /// The major version: 13, 17.
    pub fn major(&self) -> u16 {
        self.major
    }

    /// The full version, as in `17.11`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The version of pglogical, `None` when that is not installed.
    pub fn pglogical(&self) -> Option<&str> {
        self.pglogical.as_deref()
    }

    /// The root directory that this server runs in, where it is not this machine's own.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The directory with the server's programs, as this machine sees it. Not to be run from there
    /// when [`Server::root`] is set: see [`Server::command`] and [`Server::client_dir`].
    pub fn bindir(&self) -> PathBuf {
        join_root(self.root.as_deref(), &self.bindir)
    }

    /// Who the server runs as, where that is not ourselves.
    pub(crate) fn owner(&self) -> Option<(u32, u32)> {
        self.owner
    }

    /// A command that runs one of the server's programs as its unprivileged user and inside its root.
    /// Paths given to it must be [`Server::inside`] paths.
    pub fn command(&self, program: &str) -> Command {
        self.command_with(program, &[])
    }

    /// As [`Server::command`], with further flags for `setpriv` where that is used.
    pub(crate) fn command_with(&self, program: &str, setpriv: &[&str]) -> Command {
        let mut words: Vec<String> = Vec::new();
        match (&self.root, self.owner) {
            (Some(root), owner) => {
                // chroot itself drops the privileges: the setpriv of older suites wants /proc, and
                // nothing is mounted in a root. So there is nothing to unmount either.
                words.push("chroot".into());
                if let Some((uid, gid)) = owner {
                    words.extend([format!("--userspec={uid}:{gid}"), "--groups=".into()]);
                }
                words.push(root.to_string_lossy().into_owned());
            }
            (None, Some((uid, gid))) => {
                words.extend(["setpriv".into(), format!("--reuid={uid}")]);
                words.extend([format!("--regid={gid}"), "--clear-groups".into()]);
                words.extend(setpriv.iter().map(|&word| word.to_owned()));
            }
            (None, None) if setpriv.is_empty() => {}
            (None, None) => {
                words.push("setpriv".into());
                words.extend(setpriv.iter().map(|&word| word.to_owned()));
            }
        }
        words.push(self.bindir.join(program).to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// The path as the server sees it.
    pub fn inside(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => match path.strip_prefix(root) {
                Ok(rest) => Path::new("/").join(rest),
                Err(_) => path.to_owned(),
            },
            None => path.to_owned(),
        }
    }

    /// Where this server's clusters and templates lie, as this machine sees it.
    pub(crate) fn home(&self) -> Result<PathBuf> {
        let home = match &self.root {
            Some(root) => root.join("var/lib/pgl-lab"),
            None => cache::dir()?.join("clusters"),
        };
        cache::make(&home)?;
        Ok(home)
    }

    /// A directory with client programs of this version (`psql`, `pg_dump`, `pg_restore`) that run on
    /// this machine and see this machine's files: fit for a tool's PATH.
    pub fn client_dir(&self) -> Result<PathBuf> {
        match &self.root {
            None => Ok(self.bindir.clone()),
            Some(root) => clients::client_wrappers(root, &self.bindir, &self.version),
        }
    }

    /// Runs a program of the server to its end; its standard output.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.command(program).args(args).output()?;
        if !output.status.success() {
            bail!(
                "{program} of PostgreSQL {} failed ({}): {}{}",
                self.version,
                output.status,
                String::from_utf8_lossy(&output.stderr),
                String::from_utf8_lossy(&output.stdout)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

pub(crate) fn join_root(root: Option<&Path>, path: &Path) -> PathBuf {
    match root {
        Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
        None => path.to_owned(),
    }
}

type Candidate = (Option<PathBuf>, PathBuf);

fn candidates() -> Result<Vec<Candidate>> {
    let mut all: Vec<Candidate> = Vec::new();
    if let Some(list) = std::env::var_os("PGL_LAB_BINDIRS") {
        all.extend(
            std::env::split_paths(&list)
                .filter(|p| !p.as_os_str().is_empty())
                .map(|p| (None, p)),
        );
    }
    for dir in subdirs(Path::new("/usr/lib/postgresql")) {
        all.push((None, dir.join("bin")));
    }
    for dir in subdirs(Path::new("/usr")) {
        if dir
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("pgsql-"))
        {
            all.push((None, dir.join("bin")));
        }
    }
    for (_, dir) in of_majors("bare")? {
        all.push((None, dir.join("bin")));
    }
    if is_root() {
        for (major, root) in of_majors("roots")? {
            let bindir = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
            all.push((Some(root), bindir));
        }
    }
    Ok(all)
}

/// What the cache has by major; not what is being made: NN.partial.
fn of_majors(name: &str) -> Result<Vec<(u16, PathBuf)>> {
    let dirs = subdirs(&cache::subdir(name)?);
    let major = |dir: &PathBuf| dir.file_name()?.to_str()?.parse().ok();
    Ok(dirs
        .into_iter()
        .filter_map(|dir| Some((major(&dir)?, dir)))
        .collect())
}

fn subdirs(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}
