//! `--resume`: finished tables are kept in a file, one a line, as soon as they are finished. A
//! killed run leaves at most a cut last line, which is ignored. A table is taken from the file only
//! when it was compared in the same way: same servers, same columns, same digest, same options.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Mutex;

use pgl_cli::Failure;
use pgl_core::QualifiedName;
use pgl_core::verify::pairing::Pair;
use pgl_core::verify::{Status, TableResult};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::engine::lock;

/// One line.
#[derive(Serialize, Deserialize)]
struct Line {
    fingerprint: String,
    result: TableResult,
}

/// The file, and what it held at the start.
pub(crate) struct Journal {
    file: Mutex<File>,
    done: HashMap<QualifiedName, Line>,
}

impl Journal {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let fail = |error: std::io::Error| {
            Failure::usage(format!("cannot use {shown} to resume from: {error}"))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(fail)?;
        let mut done = HashMap::new();
        let mut cut = false;
        for line in BufReader::new(&file).lines() {
            let line = line.map_err(fail)?;
            if line.is_empty() {
                continue;
            }
            // Only the last line can be cut; whatever cannot be read is compared again.
            match serde_json::from_str::<Line>(&line) {
                Ok(read) => {
                    done.insert(read.result.qualified(), read);
                }
                Err(_) => cut = true,
            }
        }
        if cut {
            file.write_all(b"\n").map_err(fail)?;
        }
        Ok(Self {
            file: Mutex::new(file),
            done,
        })
    }

    /// A finished result of this very comparison.
    pub(crate) fn get(&self, name: &QualifiedName, fingerprint: &str) -> Option<TableResult> {
        self.done
            .get(name)
            .filter(|line| line.fingerprint == fingerprint)
            .map(|line| line.result.clone())
    }

    /// Keeps a result, if it is one that need not be looked for again.
    pub(crate) fn put(&self, fingerprint: &str, result: &TableResult) -> Result<(), Failure> {
        if !matches!(result.status, Status::Identical | Status::Different) {
            return Ok(());
        }
        let line = Line {
            fingerprint: fingerprint.to_owned(),
            result: result.clone(),
        };
        let mut text = serde_json::to_string(&line)
            .map_err(|error| Failure::new(pgl_core::Exit::Bug, error.to_string()))?;
        text.push('\n');
        let mut file = lock(&self.file);
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(|error| Failure::output(&error))
    }
}

/// What makes a comparison the same: everything that changes what its result means.
pub(crate) fn fingerprint(pair: &Pair, options: &str) -> String {
    let mut text = options.to_owned();
    for relation in pair.source.iter().chain(&pair.target) {
        text.push_str(&format!("|{}", relation.qualified().sql()));
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

    #[test]
    fn a_cut_last_line_is_compared_again() {
        let dir = std::env::temp_dir().join(format!("pgl-resume-{}", std::process::id()));
        let _ = std::fs::remove_file(&dir);
        let journal = Journal::open(&dir).unwrap();
        let name = QualifiedName::new("s", "t");
        let other = QualifiedName::new("s", "u");
        journal
            .put("f", &TableResult::new(&name, Status::Identical, None))
            .unwrap();
        journal
            .put("f", &TableResult::new(&other, Status::Error, None))
            .unwrap();
        let mut text = std::fs::read_to_string(&dir).unwrap();
        text.push_str("{\"fingerprint\":\"f\",\"resu");
        std::fs::write(&dir, text).unwrap();
        let again = Journal::open(&dir).unwrap();
        assert_eq!(again.get(&name, "f").unwrap().status, Status::Identical);
        assert!(again.get(&name, "g").is_none());
        assert!(again.get(&other, "f").is_none());
        again
            .put("f", &TableResult::new(&other, Status::Different, None))
            .unwrap();
        let third = Journal::open(&dir).unwrap();
        assert!(third.get(&other, "f").is_some());
        std::fs::remove_file(&dir).unwrap();
    }
}
