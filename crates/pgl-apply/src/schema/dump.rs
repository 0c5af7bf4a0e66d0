//! pg_dump: found, checked for its version, run without a password in sight.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgl_conn::{DsnText, Endpoint, PLANNER, add_options};
use pgl_core::setup::archive::{self, BadArchive, IndexFact, Tablespaces, Work};
use pgl_core::{QualifiedName, ServerVersion, Side, redact};

use crate::{Error, Watch};

/// Where pg_dump of one PostgreSQL version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// Directory; empty for the search path.
    pub dir: PathBuf,
    /// Major version.
    pub major: u32,
}

impl Programs {
    /// The newest pg_dump that is at least as new as both servers: in `given`, else among the
    /// search path and the places where packages put them.
    ///
    /// # Errors
    /// [`Error::Program`], saying what to install.
    pub fn find(
        given: Option<&Path>,
        source: ServerVersion,
        target: ServerVersion,
    ) -> Result<Self, Error> {
        let needed = source.max(target);
        let mut candidates: Vec<PathBuf> = match given {
            Some(dir) => vec![dir.to_owned()],
            None => search_path().chain(package_dirs()).collect(),
        };
        candidates.dedup();
        let mut found: Vec<Self> = candidates
            .into_iter()
            .filter_map(|dir| {
                let major = version_of(&dir.join("pg_dump"))?;
                Some(Self { dir, major })
            })
            .collect();
        found.sort_by_key(|programs| programs.major);
        let newest = found.pop();
        match newest {
            Some(programs) if programs.major >= major_of(needed) => Ok(programs),
            other => Err(Error::Program {
                what: format!(
                    "pg_dump {} or later is needed: source is {source}, target is {target}",
                    needed.major()
                ),
                detail: match other {
                    Some(old) => {
                        format!("the newest found is {} in {}", old.major, old.dir.display())
                    }
                    None => "none was found".to_owned(),
                },
                hint: format!(
                    "install the package postgresql-client-{} (postgresql{} on Red Hat), or name its directory with --pg-bindir",
                    needed.major(),
                    needed.major()
                ),
            }),
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn major_of(version: ServerVersion) -> u32 {
    version.major_num() / 100
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|dir| dir.join("pg_dump").exists())
        .collect::<Vec<_>>()
        .into_iter()
}

fn package_dirs() -> impl Iterator<Item = PathBuf> {
    let under = |root: &str, bin: bool| -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(root) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                (bin || name.starts_with("pgsql-")).then(|| path.join("bin"))
            })
            .collect()
    };
    under("/usr/lib/postgresql", true)
        .into_iter()
        .chain(under("/usr", false))
}

/// Major version of a program of the PostgreSQL distribution: `pg_dump (PostgreSQL) 15.18 (Debian …)`.
fn version_of(program: &Path) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text)
}

fn parse_version(text: &str) -> Option<u32> {
    let number = text.split(')').nth(1)?.split_whitespace().next()?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What the dump brought.
#[derive(Debug)]
pub struct Dumped {
    /// Every object with its statement and its step.
    pub work: Vec<Work>,
}

/// Dumps the source's schema, or only some tables and sequences of it, and takes the archive apart.
///
/// # Errors
/// [`Error::Program`] with what pg_dump said.
pub fn dump(
    programs: &Programs,
    source: &Endpoint,
    facts: &[IndexFact],
    only: &[QualifiedName],
    tablespaces: Tablespaces,
    watch: &dyn Watch,
) -> Result<Dumped, Error> {
    watch.doing("pg_dump");
    let mut dump = Command::new(programs.program("pg_dump"));
    dump.arg("--format=custom")
        .arg("--schema-only")
        // Names that are words of a newer server's language stay names: system_user, json.
        .arg("--quote-all-identifiers")
        .arg("--encoding=UTF8")
        // A table that is being changed for longer than this is no state to copy.
        .arg("--lock-wait-timeout=30s")
        .arg("--no-password");
    if programs.major >= 10 {
        dump.arg("--no-subscriptions");
    }
    for name in only {
        // Quoted, a pattern means exactly this name.
        dump.arg(format!("--table={}", name.sql()));
    }
    source.prepare_client(&mut dump);
    // Literals as every session of ours reads them, and plans as it has them, whatever the source database has set.
    let conninfo = DsnText::new(source.client_conninfo()?);
    let mut settings = vec![("standard_conforming_strings", "on")];
    settings.extend(PLANNER);
    let conninfo = add_options(Side::Source, &conninfo, &settings)?.text;
    dump.arg("--dbname")
        .arg(conninfo.expose_str().unwrap_or_default());
    // Through a pipe: it may hold passwords of foreign servers, and no file has them.
    let bytes = run(dump, "pg_dump", watch)?;
    let entries = archive::read(&bytes, tablespaces).map_err(|error| Error::Program {
        what: "the schema archive cannot be read".to_owned(),
        hint: match error {
            BadArchive::NotUtf8 => "a source in SQL_ASCII may hold anything: copy its schema by other means and use --schema-copy skip",
            _ => "copy the schema by other means and use --schema-copy skip",
        }
        .to_owned(),
        detail: error.to_string(),
    })?;
    Ok(Dumped {
        work: archive::assign(entries, facts),
    })
}

fn run(mut command: Command, name: &str, watch: &dyn Watch) -> Result<Vec<u8>, Error> {
    let failed = |detail: String| Error::Program {
        what: format!("{name} failed"),
        detail,
        hint: "the message above is that program's own".to_owned(),
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes)?;
            }
            Ok::<_, std::io::Error>(bytes)
        })
    };
    let out = reader(
        child
            .stdout
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>),
    );
    let err = reader(
        child
            .stderr
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>),
    );
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if watch.stop() => {
                if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
                    log::debug!("ending {name}: {error}");
                }
                return Err(Error::Interrupted);
            }
            Ok(None) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(error) => return Err(failed(error.to_string())),
        }
    };
    let collect = |thread: std::thread::JoinHandle<Result<Vec<u8>, std::io::Error>>| {
        thread
            .join()
            .map_err(|_| failed("its output could not be read".to_owned()))?
            .map_err(|error| failed(error.to_string()))
    };
    let (out, err) = (collect(out)?, collect(err)?);
    if status.success() {
        Ok(out)
    } else {
        let text = String::from_utf8_lossy(&err);
        let told: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.contains("error:") || line.contains("detail:") || line.contains("hint:")
            })
            .collect();
        let detail = if told.is_empty() {
            text.trim().to_owned()
        } else {
            told.join("; ")
        };
        Err(failed(redact(&detail).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_programs() {
        assert_eq!(
            parse_version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(parse_version("pg_dump (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn what_to_install_is_said() {
        let empty = std::env::temp_dir().join("no such directory");
        let error = Programs::find(Some(&empty), ServerVersion(130_016), ServerVersion(170_011));
        let Err(Error::Program { what, hint, .. }) = error else {
            panic!("found programs in a directory that does not exist");
        };
        assert!(what.contains("17 or later"), "{what}");
        assert!(hint.contains("postgresql-client-17"), "{hint}");
    }
}
