//! Service files: `[name]` followed by `keyword=value` lines, without quotes or spaces round `=`.

use std::path::{Path, PathBuf};

use crate::env::Environment;
use crate::keywords;
use crate::keywords::{Bad, Pairs, get};

/// Where packages of PostgreSQL look for the system-wide file when PGSYSCONFDIR is not set:
/// Debian and Ubuntu, the RPM packages, a build from source.
const SYSTEM_DIRS: &[&str] = &[
    "/etc/postgresql-common",
    "/etc/sysconfig/pgsql",
    "/usr/local/pgsql/etc",
];

/// The settings of a service. `file` is the value of `servicefile` in the connection string.
pub(crate) fn lookup(
    service: &str,
    file: Option<&str>,
    environment: &Environment,
) -> Result<Pairs, Bad> {
    let own = file
        .filter(|file| !file.is_empty())
        .map(PathBuf::from)
        .or_else(|| environment.var("PGSERVICEFILE").map(PathBuf::from));
    if let Some(path) = &own {
        let bytes = environment.files().read(path).map_err(|error| {
            Bad::new(format!(
                "cannot read the service file {}: {error}",
                path.display()
            ))
        })?;
        if let Some(pairs) = section(&bytes, service, path)? {
            return Ok(pairs);
        }
    }
    let mut searched: Vec<PathBuf> = own.iter().cloned().collect();
    let home = environment
        .home()
        .filter(|_| own.is_none())
        .map(|home| home.join(".pg_service.conf"));
    let system = match environment.var("PGSYSCONFDIR") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => SYSTEM_DIRS.iter().map(PathBuf::from).collect(),
    };
    let system = system.into_iter().map(|dir| dir.join("pg_service.conf"));
    for path in home.into_iter().chain(system) {
        let Ok(bytes) = environment.files().read(&path) else {
            continue;
        };
        if let Some(pairs) = section(&bytes, service, &path)? {
            return Ok(pairs);
        }
        searched.push(path);
    }
    let places = if searched.is_empty() {
        "there is no service file".to_owned()
    } else {
        let shown: Vec<String> = searched
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        format!("looked in {}", shown.join(", "))
    };
    Err(Bad::new(format!("service {service:?} is not defined: {places}"))
        .hint("services are read from PGSERVICEFILE or ~/.pg_service.conf, then PGSYSCONFDIR/pg_service.conf"))
}

/// The section of that name, if the file has one. The first value of a keyword wins.
fn section(bytes: &[u8], service: &str, path: &Path) -> Result<Option<Pairs>, Bad> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Bad::new(format!("the service file {} is not UTF-8", path.display())))?;
    let wrong = |number: usize, what: String| {
        Bad::new(format!(
            "service file {}, line {}: {what}",
            path.display(),
            number + 1
        ))
    };
    let mut found: Option<Pairs> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end().trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let name = header.split_once(']').map(|(name, _)| name);
            found = (name == Some(service)).then(Pairs::new);
            continue;
        }
        let Some(pairs) = found.as_mut() else {
            continue;
        };
        if line.starts_with("ldap") {
            return Err(
                wrong(number, "a lookup through LDAP is not supported".to_owned())
                    .hint("write the parameters into the service file"),
            );
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong(number, "missing \"=\"".to_owned()));
        };
        if matches!(name, "service" | "servicefile") {
            return Err(wrong(
                number,
                format!("{name:?} is not allowed inside a service"),
            ));
        }
        let Some(keyword) = keywords::find(name) else {
            return Err(wrong(number, format!("unknown keyword {name:?}"))
                .hint("there are no spaces round \"=\" and no quotes in a service file"));
        };
        if get(pairs, keyword.name).is_none() {
            pairs.push((keyword.name, value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::MemoryFiles;

    const FILE: &[u8] =
        b"# c\n[one]\nhost=a\n  port=1  \nhost=b\npassword=x y = z\n[two]\nhost=c\n[bad]\nhost = c\n";

    fn at(path: &str) -> Environment {
        let mut files = MemoryFiles::default();
        files.0.insert(path.into(), (FILE.to_vec(), 0o600));
        Environment::bare().with_home("/home/me").with_files(files)
    }

    #[test]
    fn found_in_every_place() {
        let cases = [
            (at("/home/me/.pg_service.conf"), None),
            (at("/x").with_var("PGSERVICEFILE", "/x"), None),
            (at("/x").with_var("PGSERVICEFILE", "/elsewhere"), Some("/x")),
            (
                at("/sys/pg_service.conf").with_var("PGSYSCONFDIR", "/sys"),
                None,
            ),
            (at("/etc/postgresql-common/pg_service.conf"), None),
        ];
        for (environment, file) in cases {
            let pairs = lookup("one", file, &environment).expect("found");
            let expected = vec![
                ("host", "a".to_owned()),
                ("port", "1".to_owned()),
                ("password", "x y = z".to_owned()),
            ];
            assert_eq!(pairs, expected);
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let environment = at("/home/me/.pg_service.conf");
        let missing = lookup("three", None, &environment).expect_err("missing");
        assert!(
            missing.message.contains("\"three\" is not defined"),
            "{}",
            missing.message
        );
        assert!(missing.message.contains("/home/me/.pg_service.conf"));
        let wrong = lookup("bad", None, &environment).expect_err("bad");
        assert!(
            wrong.message.contains("line 10: unknown keyword \"host \""),
            "{}",
            wrong.message
        );
        let gone = environment.with_var("PGSERVICEFILE", "/gone");
        let gone = lookup("one", None, &gone).expect_err("gone");
        assert!(gone.message.contains("/gone"), "{}", gone.message);
    }
}
