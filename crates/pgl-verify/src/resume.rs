//! `--resume`: finished tables are kept in a file, one a line, as soon as they are finished. A
//! killed run leaves at most a cut last line, which is ignored. The first line says what the file is: for which
//! databases and from when. A table is taken from it only while the run that it began is not over and not old, and only when it was
//! compared in the same way: same columns, same digest, same options. A run that came to its end says so in the file,
//! and the next one begins anew: an answer is not kept for later.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgl_catalog::verify::replication::TableFile;
use pgl_cli::Failure;
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::{Status, TableResult};
use pgl_core::{Lsn, QualifiedName};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::engine::lock;

/// Results are not taken from a run that began longer ago.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The first line of every file: nothing else is written to.
const MAGIC: &str = "pgl-verify --resume 1";

/// No first line of ours is longer.
const HEAD: u64 = 4096;

/// For what and from when the results are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunId {
    /// Identity of both databases.
    pub(crate) databases: String,
    /// Where the source was when the run began; a source that is behind it was restored from an older copy.
    pub(crate) source_lsn: Option<Lsn>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    file: String,
    #[serde(flatten)]
    run: RunId,
    /// Seconds since 1970.
    began: u64,
}

/// One line.
#[derive(Serialize, Deserialize)]
struct Line {
    fingerprint: String,
    result: TableResult,
}

#[derive(Serialize, Deserialize)]
struct End {
    ended: u64,
}

/// The file, and what it held at the start.
pub(crate) struct Journal {
    file: Mutex<File>,
    done: HashMap<QualifiedName, Line>,
    began: u64,
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

impl Journal {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path, run: &RunId, now: SystemTime) -> Result<Self, Failure> {
        let shown = path.display();
        let fail = |error: std::io::Error| {
            Failure::usage(format!("cannot use {shown} to resume from: {error}"))
        };
        let foreign = |what: &str| {
            Failure::usage(format!("{shown} {what}; nothing was written to it"))
                .hint("give --resume a file of its own: pgl-verify makes it")
        };
        if path.exists() && !path.metadata().map_err(fail)?.is_file() {
            return Err(foreign("is not a regular file"));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(fail)?;
        let now = seconds(now);
        let mut begun = Self {
            done: HashMap::new(),
            file: Mutex::new(file.try_clone().map_err(fail)?),
            began: now,
        };
        let mut first = String::new();
        let length = file.metadata().map_err(fail)?.len();
        if length > 0 {
            // Bytes that are no text are no first line of ours, either.
            let read = BufReader::new((&file).take(HEAD)).read_line(&mut first);
            let head: Head = (read.ok())
                .and_then(|_| serde_json::from_str(&first).ok())
                .filter(|head: &Head| head.file == MAGIC)
                .ok_or_else(|| foreign("is not a file that pgl-verify --resume made"))?;
            if head.run.databases != run.databases {
                return Err(foreign("belongs to a comparison of other databases"));
            }
            file.rewind().map_err(fail)?;
            let old = now.saturating_sub(head.began) > AGE.as_secs() || head.began > now;
            let behind = head.run.source_lsn > run.source_lsn;
            if !old && !behind && begun.read(&file).map_err(fail)? {
                begun.began = head.began;
                return Ok(begun);
            }
            begun.done.clear();
            file.set_len(0).map_err(fail)?;
        }
        begun.write(&Head {
            file: MAGIC.to_owned(),
            run: run.clone(),
            began: now,
        })?;
        Ok(begun)
    }

    /// Reads the results; false where the run has come to its end.
    fn read(&mut self, file: &File) -> std::io::Result<bool> {
        let mut cut = false;
        // As bytes: a line may be cut within a character.
        for line in BufReader::new(file).split(b'\n').skip(1) {
            let line = line?;
            if serde_json::from_slice::<End>(&line).is_ok() {
                return Ok(false);
            }
            // Only the last line can be cut; whatever cannot be read is compared again.
            match serde_json::from_slice::<Line>(&line) {
                Ok(read) => {
                    self.done.insert(read.result.qualified(), read);
                    cut = false;
                }
                Err(_) => cut = !line.is_empty(),
            }
        }
        if cut {
            lock(&self.file).write_all(b"\n")?;
        }
        Ok(true)
    }

    /// A finished result of this very comparison.
    pub(crate) fn get(&self, name: &QualifiedName, fingerprint: &str) -> Option<TableResult> {
        let line = self
            .done
            .get(name)
            .filter(|line| line.fingerprint == fingerprint)?;
        let mut result = line.result.clone();
        let since = UNIX_EPOCH + Duration::from_secs(self.began);
        result.resumed_from = Some(humantime::format_rfc3339_seconds(since).to_string());
        Some(result)
    }

    /// Keeps a result, if it is one that need not be looked for again.
    pub(crate) fn put(&self, fingerprint: &str, result: &TableResult) -> Result<(), Failure> {
        if !matches!(result.status, Status::Identical | Status::Different) {
            return Ok(());
        }
        self.write(&Line {
            fingerprint: fingerprint.to_owned(),
            result: result.clone(),
        })
    }

    /// The comparison has come to its end: the next run begins anew.
    pub(crate) fn close(&self, now: SystemTime) -> Result<(), Failure> {
        self.write(&End {
            ended: seconds(now),
        })
    }

    fn write(&self, line: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string(line)
            .map_err(|error| Failure::new(pgl_core::Exit::Bug, error.to_string()))?;
        text.push('\n');
        let mut file = lock(&self.file);
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(|error| Failure::output(&error))
    }
}

/// The files of the tables of both sides.
pub(crate) type Files = (
    HashMap<QualifiedName, TableFile>,
    HashMap<QualifiedName, TableFile>,
);

/// What makes a comparison the same: everything that changes what its result means, and the files of the tables, which
/// TRUNCATE and a rewrite change.
pub(crate) fn fingerprint(pair: &TablePair, options: &str, files: &Files) -> String {
    let mut text = options.to_owned();
    for (relations, files) in [(&pair.source, &files.0), (&pair.target, &files.1)] {
        for relation in relations {
            let name = relation.qualified();
            text.push_str(&format!("|{} {:?}", name.sql(), files.get(&name)));
        }
    }
    for column in &pair.columns {
        text.push_str(&format!("|{}:{}", column.name, column.shown));
    }
    text.push_str(&format!("|{:?}|{:?}", pair.key, pair.schema_differences));
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgl_core::Exit;

    fn run(databases: &str, lsn: u64) -> RunId {
        RunId {
            databases: databases.to_owned(),
            source_lsn: Some(Lsn(lsn)),
        }
    }

    fn identical(name: &str) -> TableResult {
        TableResult::new(&QualifiedName::new("s", name), Status::Identical, None)
    }

    fn at(hours: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + hours * 3600)
    }

    #[test]
    fn a_cut_last_line_is_compared_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let open = || {
            Journal::open(&path, &run("a", 5), at(0))
                .map_err(|f| f.message)
                .unwrap()
        };
        let (name, other) = (QualifiedName::new("s", "t"), QualifiedName::new("s", "u"));
        let journal = open();
        journal
            .put("f", &identical("t"))
            .map_err(|f| f.message)
            .unwrap();
        let failed = TableResult::new(&other, Status::Error, None);
        journal.put("f", &failed).map_err(|f| f.message).unwrap();
        // Within a character.
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"fingerprint\":\"\xe2\x82");
        std::fs::write(&path, text).unwrap();
        let again = open();
        let known = again.get(&name, "f").unwrap();
        assert_eq!(known.status, Status::Identical);
        let from = known.resumed_from.unwrap_or_default();
        assert!(from.starts_with("1970-01-12"), "{from}");
        assert!(again.get(&name, "g").is_none());
        assert!(again.get(&other, "f").is_none());
        again
            .put("f", &identical("u"))
            .map_err(|f| f.message)
            .unwrap();
        assert!(open().get(&other, "f").is_some());
    }

    #[test]
    fn old_results_are_no_results() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let name = QualifiedName::new("s", "t");
        let open = |lsn, time| {
            Journal::open(&path, &run("a", lsn), time)
                .map_err(|f| f.message)
                .unwrap()
        };
        let known = |lsn, time| open(lsn, time).get(&name, "f").is_some();
        let put = || {
            open(5, at(0))
                .put("f", &identical("t"))
                .map_err(|f| f.message)
                .unwrap()
        };
        put();
        assert!(known(5, at(0)) && known(9, at(23)) && known(5, at(24)));
        // A day later, before the file was begun, on a source that was restored, after the end.
        assert!(!known(5, at(25)));
        std::fs::remove_file(&path).unwrap();
        put();
        assert!(!known(4, at(0)));
        std::fs::remove_file(&path).unwrap();
        put();
        assert!(!known(5, UNIX_EPOCH));
        std::fs::remove_file(&path).unwrap();
        put();
        open(5, at(1)).close(at(1)).map_err(|f| f.message).unwrap();
        assert!(!known(5, at(1)));
        // Begun anew, it can be used again.
        put();
        assert!(known(5, at(1)));
    }

    #[test]
    fn nothing_is_written_to_what_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        let refused = |path: &Path, databases: &str| {
            let failure = Journal::open(path, &run(databases, 5), at(0))
                .err()
                .unwrap();
            assert_eq!(failure.exit, Exit::Usage);
            failure.message
        };
        for content in [
            &b"{\"schema\":\"pgl.preflight/1\"}\n"[..],
            b"old.example.org\n",
            b"\xff\xfe\n",
            &[b'x'; 100_000],
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(refused(&path, "a").contains("is not a file that pgl-verify"));
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
        assert!(refused(dir.path(), "a").contains("not a regular file"));
        assert!(refused(Path::new("/dev/full"), "a").contains("not a regular file"));
        std::fs::remove_file(&path).unwrap();
        drop(Journal::open(&path, &run("a", 5), at(0)));
        assert!(refused(&path, "b").contains("other databases"));
    }
}
