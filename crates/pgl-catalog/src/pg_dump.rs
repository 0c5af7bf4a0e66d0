//! pg_dump: found on this machine, run without a password in sight.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgl_conn::{DsnText, Endpoint, Error, Kind, PLANNER, Watch, add_options, client_output};
use pgl_core::definitions::Definitions;
use pgl_core::facts::link::ClientTool;
use pgl_core::setup::archive::{self, ArchiveEntry, BadArchive, Tablespaces};
use pgl_core::{QualifiedName, ServerVersion, Side};

/// Directories of packages, each holding one directory a version, with the programs below it.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
];

/// A pg_dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgDump {
    file: PathBuf,
    tool: ClientTool,
}

impl PgDump {
    /// The newest in this directory, or on PATH and in the usual places of packages, if it is at least as new as both servers.
    ///
    /// # Errors
    /// [`Kind::Program`], saying what to install.
    pub fn find(
        given: Option<&Path>,
        source: ServerVersion,
        target: ServerVersion,
    ) -> Result<Self, Error> {
        let (side, needed) = match source > target {
            true => (Side::Source, source),
            false => (Side::Target, target),
        };
        let newest = all(given).pop();
        match newest {
            Some(found) if found.tool.major_num >= needed.major_num() => Ok(found),
            other => {
                let found = other.map_or("none was found".to_owned(), |old| {
                    let dir = old.file.parent().unwrap_or(&old.file).display();
                    format!("the newest found is {} in {dir}", old.tool.version)
                });
                let needed = needed.major();
                let what = format!(
                    "pg_dump {needed} or later is needed: source is {source}, target is {target}; {found}"
                );
                Err(Error::new(side, Kind::Program, what).with_hint(format!(
                    "install the package postgresql-client-{needed} (postgresql{needed} on Red Hat), or name its directory with --pg-bindir"
                )))
            }
        }
    }

    /// Its major version; 9 for all below 10.
    fn major(&self) -> u32 {
        self.tool.major_num / 100
    }

    /// Dumps the schema of a database, or only some tables and sequences of it.
    ///
    /// # Errors
    /// [`Kind::Program`] with what pg_dump said; [`Kind::Cancelled`] where `watch` says stop.
    pub fn dump(
        &self,
        endpoint: &Endpoint,
        only: &[QualifiedName],
        watch: &dyn Watch,
    ) -> Result<SchemaDump, Error> {
        watch.doing("pg_dump");
        let mut command = Command::new(&self.file);
        command
            .arg("--format=custom")
            .arg("--schema-only")
            // Names that are words of a newer server's language stay names: system_user, json.
            .arg("--quote-all-identifiers")
            .arg("--encoding=UTF8")
            // A table that is being changed for longer than this is no state to copy.
            .arg("--lock-wait-timeout=30s")
            .arg("--no-password");
        if self.major() >= 10 {
            command.arg("--no-subscriptions");
        }
        for name in only {
            // Quoted, a pattern means exactly this name.
            command.arg(format!("--table={}", name.sql()));
        }
        let side = endpoint.side();
        endpoint.prepare_client(&mut command);
        // Literals as every session of ours reads them, and plans as it has them, whatever the database has set.
        let conninfo = DsnText::new(endpoint.client_conninfo()?);
        let mut settings = vec![("standard_conforming_strings", "on")];
        settings.extend(PLANNER);
        let conninfo = add_options(side, &conninfo, &settings)?.text;
        command
            .arg("--dbname")
            .arg(conninfo.expose_str().unwrap_or_default());
        // Through a pipe: it may hold passwords of foreign servers, and no file has them.
        Ok(SchemaDump {
            side,
            major: self.major(),
            archive: client_output(side, command, "pg_dump", watch)?,
        })
    }
}

/// The archive of one side's schema.
pub struct SchemaDump {
    side: Side,
    major: u32,
    archive: Vec<u8>,
}

impl SchemaDump {
    /// It is taken apart.
    ///
    /// # Errors
    /// [`Kind::Program`] where it cannot be read.
    pub fn entries(&self, tablespaces: Tablespaces) -> Result<Vec<ArchiveEntry>, Error> {
        archive::read(&self.archive, tablespaces).map_err(|error| {
            let hint = match error {
                BadArchive::NotUtf8 => "a source in SQL_ASCII may hold anything: copy its schema by other means and use --schema-copy skip",
                _ => "copy the schema by other means and use --schema-copy skip",
            };
            let what = format!("the schema archive cannot be read: {error}");
            Error::new(self.side, Kind::Program, what).with_hint(hint)
        })
    }

    /// What it defines, to be compared.
    ///
    /// # Errors
    /// As [`SchemaDump::entries`].
    pub fn definitions(&self) -> Result<Definitions, Error> {
        Ok(Definitions::new(
            self.major,
            self.entries(Tablespaces::Keep)?,
        ))
    }
}

/// Every pg_dump in this directory, or on PATH and in the usual places of packages, oldest first; one of each version.
fn all(given: Option<&Path>) -> Vec<PgDump> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files: Vec<PathBuf> = match given {
        Some(dir) => vec![dir.join("pg_dump")],
        None => std::env::split_paths(&path)
            .map(|dir| dir.join("pg_dump"))
            .filter(|file| file.is_file())
            .chain(packaged())
            .collect(),
    };
    let mut found: Vec<PgDump> = Vec::new();
    for file in files {
        if let Some((version, major_num)) = version(&file)
            && !found.iter().any(|one| one.tool.version == version)
        {
            let tool = ClientTool { version, major_num };
            found.push(PgDump { file, tool });
        }
    }
    found.sort_by(|a, b| {
        (a.tool.major_num, &a.tool.version).cmp(&(b.tool.major_num, &b.tool.version))
    });
    found
}

/// The versions of all of them.
pub(crate) fn versions(given: Option<&Path>) -> Vec<ClientTool> {
    all(given).into_iter().map(|one| one.tool).collect()
}

fn packaged() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (root, below) in PACKAGES {
        let Ok(entries) = std::fs::read_dir(root) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Below /usr and Homebrew's opt there are others' directories too.
            let ours = *root == "/usr/lib/postgresql"
                || name.starts_with("pgsql-")
                || name.starts_with("postgresql@");
            let file = entry.path().join(below).join("pg_dump");
            if ours && file.is_file() {
                files.push(file);
            }
        }
    }
    files.sort();
    files
}

/// What `pg_dump --version` says: `pg_dump (PostgreSQL) 15.20 (Debian …)`.
fn version(file: &Path) -> Option<(String, u32)> {
    let output = Command::new::<&OsStr>(file.as_ref())
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    parse(&text)
}

fn parse(text: &str) -> Option<(String, u32)> {
    let version = text.split_whitespace().nth(2)?;
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse::<u32>().ok());
    let major = numbers.next()?;
    let number = if major < 10 {
        major * 10_000 + numbers.next()? * 100
    } else {
        major * 10_000
    };
    Some((version.to_owned(), ServerVersion(number).major_num()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_the_programs_print_them() {
        let cases = [
            (
                "pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n",
                "15.20",
                1_500,
            ),
            ("pg_dump (PostgreSQL) 9.6.24\n", "9.6.24", 906),
            ("pg_dump (PostgreSQL) 18beta1\n", "18beta1", 1_800),
        ];
        for (text, version, major) in cases {
            assert_eq!(parse(text), Some((version.to_owned(), major)));
        }
        assert_eq!(parse("sh: not found"), None);
    }

    #[test]
    fn what_to_install_is_said() {
        let empty = std::env::temp_dir().join("no such directory");
        let found = PgDump::find(Some(&empty), ServerVersion(130_016), ServerVersion(170_011));
        let error = found.unwrap_err();
        assert!(error.message.contains("17 or later"), "{error}");
        let hint = error.hint.clone().unwrap_or_default();
        assert!(hint.contains("postgresql-client-17"), "{hint}");
    }
}
