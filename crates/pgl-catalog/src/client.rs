//! The client programs on this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgl_core::ServerVersion;
use pgl_core::facts::link::ClientTool;

/// Directories of packages, each holding one directory a version, with the programs below it.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
];

/// Every `pg_dump` in this directory, or on PATH and in the usual places of packages, by version; one of each version.
pub(crate) fn pg_dumps(given: Option<&Path>) -> Vec<ClientTool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join("pg_dump"));
    let mut found: Vec<ClientTool> = Vec::new();
    let files: Vec<PathBuf> = match given {
        Some(dir) => vec![dir.join("pg_dump")],
        None => on_path
            .filter(|file| file.is_file())
            .take(1)
            .chain(packaged())
            .collect(),
    };
    for file in files {
        if let Some((version, major_num)) = version(&file)
            && !found.iter().any(|tool| tool.version == version)
        {
            found.push(ClientTool { version, major_num });
        }
    }
    found.sort_by(|a, b| (a.major_num, &a.version).cmp(&(b.major_num, &b.version)));
    found
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
}
