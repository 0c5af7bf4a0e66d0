//! The passfile: lines of `host:port:database:user:password`, first match wins, `*` matches
//! anything, `\:` and `\\` stand for themselves.

use std::path::Path;

use crate::env::Files;
use crate::secret::Secret;

/// The lines of one passfile.
#[derive(Clone, Default)]
pub(crate) struct Passfile {
    lines: Vec<String>,
}

/// libpq's name for a connection over the default socket directory.
pub(crate) const LOCALHOST: &str = "localhost";

impl Passfile {
    /// Reads it; a missing file is an empty one. A file that others may read is not used: the
    /// second value then says so.
    pub(crate) fn load(path: &Path, files: &dyn Files) -> (Self, Option<String>) {
        let ignored = |why: &str| {
            let warning = format!("the passfile {} is not used: {why}", path.display());
            (Self::default(), Some(warning))
        };
        let Ok(facts) = files.facts(path) else {
            return (Self::default(), None);
        };
        if !facts.regular {
            return ignored("it is not a plain file");
        }
        if facts.mode & 0o077 != 0 {
            return ignored("group or others may read it; its permissions must be 0600 or less");
        }
        match files.read(path) {
            Ok(bytes) => (Self::parse(&String::from_utf8_lossy(&bytes)), None),
            Err(error) => ignored(&error.to_string()),
        }
    }

    fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .map(|line| line.trim_end_matches('\r'))
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(str::to_owned)
            .collect();
        Self { lines }
    }

    /// The password for these four, if a line matches.
    pub(crate) fn find(&self, host: &str, port: u16, dbname: &str, user: &str) -> Option<Secret> {
        let port = port.to_string();
        self.lines.iter().find_map(|line| {
            let rest = [host, &port, dbname, user]
                .iter()
                .try_fold(line.as_str(), |rest, value| matching(rest, value))?;
            // An empty password is as good as none.
            (!rest.is_empty()).then(|| Secret::new(unescape(rest)))
        })
    }
}

/// Where the field at the start of `line` matches `value`: what follows its colon.
fn matching<'a>(line: &'a str, value: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut wanted = value.chars();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        let c = match c {
            ':' => return wanted.next().is_none().then(|| &line[at + 1..]),
            '\\' => chars.next()?.1,
            c => c,
        };
        if wanted.next() != Some(c) {
            return None;
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        // A backslash at the very end stands for itself.
        out.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::MemoryFiles;
    use proptest::prelude::*;

    fn look(text: &str, host: &str, port: u16, db: &str, user: &str) -> Option<String> {
        Passfile::parse(text)
            .find(host, port, db, user)
            .map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn first_match_wins() {
        let text = "# comment\n\nh:5432:db:u:one\r\nh:*:*:u:two\n*:*:*:*:three\n";
        assert_eq!(look(text, "h", 5432, "db", "u").as_deref(), Some("one"));
        assert_eq!(look(text, "h", 5433, "db", "u").as_deref(), Some("two"));
        assert_eq!(look(text, "x", 1, "y", "z").as_deref(), Some("three"));
        assert_eq!(look("h:1:d:u:p", "h", 1, "d", "v"), None);
        assert_eq!(look("h:1:d", "h", 1, "d", "v"), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        assert_eq!(
            look(r"\:\:1:5432:a\\b:u:p\:q\\r:s", "::1", 5432, r"a\b", "u").as_deref(),
            Some(r"p:q\r:s")
        );
        assert_eq!(look("*x:1:d:u:p", "*x", 1, "d", "u").as_deref(), Some("p"));
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let path = Path::new("/p");
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            let mut files = MemoryFiles::default();
            files.0.insert(path.into(), (b"*:*:*:*:x".to_vec(), mode));
            let (passfile, warning) = Passfile::load(path, &files);
            assert_eq!(passfile.find("h", 1, "d", "u").is_some(), used, "{mode:o}");
            assert_eq!(warning.is_none(), used, "{mode:o}");
        }
        let (_, warning) = Passfile::load(path, &MemoryFiles::default());
        assert_eq!(warning, None);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*", value in ".*") {
            let _ = look(&text, &value, 1, &value, &value);
        }

        #[test]
        fn what_is_escaped_is_found(host in "[^\n\r\0]+", password in "[^\n\r\0]+") {
            let escape = |text: &str| text.replace('\\', r"\\").replace(':', r"\:");
            prop_assume!(!host.starts_with('#') && host != "*");
            let line = format!("{}:1:d:u:{}", escape(&host), escape(&password));
            prop_assert_eq!(look(&line, &host, 1, "d", "u"), Some(password));
        }
    }
}
