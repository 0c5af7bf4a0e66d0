//! What a server log says about the apply worker's last end.
//!
//! pglogical keeps the reason of a failure nowhere but in the log. The worker's end names the
//! worker (`background worker "pglogical apply 16384:77" (PID 4711) exited …`), and the process id
//! leads from there to its errors, whatever the line prefix looks like, as long as it holds the id.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redact;

/// The last time that an apply worker ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its process.
    pub pid: u32,
    /// `exited with exit code 1`, `was terminated by signal 11: Segmentation fault`.
    pub end: String,
    /// How often a worker of this name ended within the part of the log that was read.
    pub times: u32,
    /// What it, and the session that copied for it, had to say: errors with their details.
    pub lines: Vec<String>,
}

impl Incident {
    /// Whether one of the lines contains this.
    pub fn says(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// The line that contains this.
    pub fn line(&self, text: &str) -> Option<&str> {
        self.lines
            .iter()
            .find(|line| line.contains(text))
            .map(String::as_str)
    }
}

const SEVERITIES: [&str; 3] = ["ERROR", "FATAL", "PANIC"];
const DETAILS: [&str; 4] = ["DETAIL", "HINT", "CONTEXT", "STATEMENT"];
/// A line longer than this is cut: pglogical prints whole replication commands.
const LONGEST: usize = 400;

/// Finds the last end of the worker of this name, if it ended after the last start that the same
/// part of the log shows for it — an error that was mended is no news.
pub fn incident(log: &str, worker: &str) -> Option<Incident> {
    let lines = join(log);
    let ends = format!("background worker \"{worker}\" (PID ");
    let mut times = 0;
    let mut last = None;
    for (at, line) in lines.iter().enumerate() {
        let Some((_, rest)) = line.split_once(&ends) else {
            continue;
        };
        // A clean end is that of a worker which was told to stop.
        if rest.contains("exited with exit code 0") {
            last = None;
            continue;
        }
        times += 1;
        last = Some((at, rest.to_owned()));
    }
    let (at, rest) = last?;
    let (pid, end) = rest.split_once(')')?;
    let pid: u32 = pid.trim().parse().ok()?;
    Some(Incident {
        pid,
        end: end.trim().to_owned(),
        times,
        lines: story(&lines[..at], pid),
    })
}

/// The last line that says an apply worker took the server down, and how often that stands in the
/// log; at least twice, or it is no loop.
pub fn crashes(log: &str) -> Option<(String, u32)> {
    let says = |line: &&str| {
        line.contains("background worker \"pglogical apply")
            && line.contains("terminated by signal")
    };
    let lines: Vec<&str> = log.lines().filter(says).collect();
    let times = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let last = lines.last().filter(|_| times > 1)?;
    Some((cut(&redact(message(last))), times))
}

/// The last line that says pglogical found no worker slot, if no worker has ended since.
pub fn no_worker_left(log: &str) -> Option<String> {
    const SAYS: [&str; 3] = [
        "all background worker slots are already used",
        "worker registration failed",
        "too many background workers",
    ];
    let lines = join(log);
    let recent = lines.len().saturating_sub(400);
    lines[recent..]
        .iter()
        .rev()
        .take_while(|line| !line.contains("background worker \"pglogical apply"))
        .find(|line| SAYS.iter().any(|text| line.contains(text)))
        .map(|line| cut(&redact(message(line))))
}

/// The source's last errors in sessions that spoke about this slot.
pub fn source_errors(log: &str, slot: &str) -> Vec<String> {
    let lines = join(log);
    let recent = lines.len().saturating_sub(2000);
    let window = &lines[recent..];
    let quoted = format!("\"{slot}\"");
    let mut last = Vec::new();
    for (at, line) in window.iter().enumerate() {
        if !word(line, &SEVERITIES) {
            continue;
        }
        let details: Vec<&String> = window[at + 1..]
            .iter()
            .take_while(|next| word(next, &DETAILS))
            .collect();
        let about = line.contains(&quoted) || details.iter().any(|next| next.contains(&quoted));
        if about {
            last = std::iter::once(line)
                .chain(details)
                .filter(|line| !message(line).contains("STATEMENT"))
                .map(|line| cut(&redact(message(line))))
                .collect();
        }
    }
    last
}

/// The errors of one process, and of sessions that copied while it lived, newest last.
fn story(before: &[String], pid: u32) -> Vec<String> {
    // A process writes at most a few lines before it dies; a busy server many in between.
    let from = before.len().saturating_sub(2000);
    let window = &before[from..];
    let born = window
        .iter()
        .position(|line| has_pid(line, pid))
        .unwrap_or(0);
    let mut kept: Vec<String> = Vec::new();
    let mut copying = None;
    for (at, line) in window.iter().enumerate().skip(born) {
        let own = has_pid(line, pid);
        let severity = word(line, &SEVERITIES);
        if severity && !own {
            // The real error of a copy is another session's: the one with COPY in its context.
            copying = window[at..]
                .iter()
                .skip(1)
                .take(3)
                .take_while(|next| word(next, &DETAILS))
                .any(|next| next.contains("CONTEXT:  COPY ") || next.contains("STATEMENT:  COPY "))
                .then_some(());
        }
        let detail = word(line, &DETAILS);
        let wanted = if own {
            severity || detail
        } else {
            copying.is_some() && (severity || detail)
        };
        if !severity && !detail {
            copying = None;
        }
        // The connection string stands in the detail of a failed connection; rows in another.
        if wanted && !line.contains("dsn was:") && !line.contains("Failing row contains") {
            let text = cut(&redact(message(line)));
            if !kept.contains(&text) {
                kept.push(text);
            }
        }
    }
    let skip = kept.len().saturating_sub(12);
    kept.split_off(skip)
}

/// The entries of a log, one line each, without passwords and without connection strings.
pub fn entries(log: &str) -> Vec<String> {
    join(log)
        .iter()
        .filter(|entry| !entry.contains("dsn was:"))
        .map(|entry| redact(entry).into_owned())
        .collect()
}

/// Continuation lines belong to the line before.
fn join(log: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in log.lines() {
        match lines.last_mut() {
            Some(last) if line.starts_with('\t') => {
                let more = line.trim();
                if !more.is_empty() {
                    last.push(' ');
                    last.push_str(more);
                }
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Whether the prefix of the line holds this process id as a word of its own.
fn has_pid(line: &str, pid: u32) -> bool {
    let pid = pid.to_string();
    prefix(line)
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|part| part == pid)
}

/// What stands before the severity.
fn prefix(line: &str) -> &str {
    let at = SEVERITIES
        .iter()
        .chain(&DETAILS)
        .chain(&["LOG", "WARNING", "NOTICE", "INFO"])
        .filter_map(|severity| {
            line.find(&format!("{severity}:"))
                .or_else(|| line.find(&format!(",{severity},")))
        })
        .min();
    at.map_or(line, |at| &line[..at])
}

/// The line without its prefix.
fn message(line: &str) -> &str {
    line.get(prefix(line).len()..)
        .filter(|rest| !rest.is_empty())
        .unwrap_or(line)
}

fn word(line: &str, words: &[&str]) -> bool {
    let rest = message(line);
    let rest = rest.trim_start_matches(',');
    words.iter().any(|word| {
        rest.strip_prefix(word)
            .is_some_and(|more| more.starts_with([':', ',']))
    })
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    // The cause of a failed command stands behind it.
    let head: String = text.chars().take(120).collect();
    let count = text.chars().count();
    let tail: String = text.chars().skip(count - (LONGEST - 121)).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "pglogical apply 16384:1312612601";

    #[test]
    fn the_worker_s_own_errors_are_found() {
        let log = "\
2026-11-22 22:20:56.500 UTC [99] ERROR:  syntax error at or near \"x\"
2026-11-22 22:20:56.599 UTC [25492] ERROR:  cannot truncate a table referenced in a foreign key constraint
2026-11-22 22:20:56.599 UTC [25492] DETAIL:  Table \"b\" references \"a\".
2026-11-22 22:20:56.599 UTC [25492] CONTEXT:  apply QUEUED_TRUNCATE in commit before 0/19966A8, xid 730 (action #2) from node replorigin 1
2026-11-22 22:20:56.599 UTC [25492] LOG:  apply worker [25492] at slot 2 generation 1 exiting with error
2026-11-22 22:20:56.603 UTC [25425] LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 25492) exited with exit code 1
";
        let seen = incident(log, NAME).unwrap();
        assert_eq!((seen.pid, seen.times), (25492, 1));
        assert_eq!(seen.end, "exited with exit code 1");
        assert_eq!(seen.lines.len(), 3, "{seen:?}");
        assert!(seen.lines[0].starts_with("ERROR:  cannot truncate"));
        assert!(incident(log, "pglogical apply 1:1").is_none());
    }

    #[test]
    fn the_copy_s_real_error_is_another_session_s() {
        let log = "\
2026-11-22 22:23:01.126 UTC [30432] LOG:  starting apply for subscription pgl_shop2
2026-11-22 22:23:01.140 UTC [777] ERROR:  somebody else's mistake
2026-11-22 22:23:01.140 UTC [777] STATEMENT:  select 1/0
2026-11-22 22:23:01.150 UTC [30437] ERROR:  duplicate key value violates unique constraint \"a_pkey\"
2026-11-22 22:23:01.150 UTC [30437] DETAIL:  Key (id)=(1) already exists.
2026-11-22 22:23:01.150 UTC [30437] CONTEXT:  COPY a, line 1
2026-11-22 22:23:01.150 UTC [30437] STATEMENT:  COPY \"public\".\"a\" (\"id\",\"v\",\"w\") FROM stdin
2026-11-22 22:23:01.167 UTC [30432] ERROR:  table copy failed
2026-11-22 22:23:01.167 UTC [30432] DETAIL:  Query 'COPY \"public\".\"b\" (\"id\",\"a_id\") FROM stdin':
2026-11-22 22:23:01.171 UTC [25425] LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 30432) exited with exit code 1
";
        let seen = incident(log, NAME).unwrap();
        assert!(seen.says("a_pkey"), "{seen:?}");
        assert!(seen.says("table copy failed"));
        assert!(!seen.says("somebody else"), "{seen:?}");
    }

    #[test]
    fn a_crash_and_other_prefixes() {
        let log = "\
<2026-11-22 22:23:01 UTC,4711,apply> LOG:  starting apply
<2026-11-22 22:23:01 UTC,1,> LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 4711) was terminated by signal 11: Segmentation fault
";
        let seen = incident(log, NAME).unwrap();
        assert!(seen.end.contains("signal 11"), "{seen:?}");
        assert!(seen.lines.is_empty());
        let csv = "\
2026-11-22 22:23:01.150 UTC,,,4711,,6,1,,2026-11-22 22:23:00 UTC,3/1,0,ERROR,23505,\"duplicate key value violates unique constraint \"\"a\"\"\",,,,,,,,,\"\",\"\"
2026-11-22 22:23:01.170 UTC,,,12,,6,1,,2026-11-22 22:23:00 UTC,,0,LOG,00000,\"background worker \"\"pglogical apply 16384:1312612601\"\" (PID 4711) exited with exit code 1\",,,,,,,,,\"\",\"\"
";
        assert!(
            incident(&csv.replace("\"\"", "\""), NAME)
                .unwrap()
                .says("duplicate key")
        );
    }

    #[test]
    fn the_dsn_is_never_shown() {
        let log = "\
2026-11-22 22:23:26.299 UTC [31247] ERROR:  could not connect to the postgresql server in replication mode: connection to server at \"127.0.0.1\", port 45431 failed: Connection refused
\t\tIs the server running on that host and accepting TCP/IP connections?
\t
2026-11-22 22:23:26.299 UTC [31247] DETAIL:  dsn was:  host=127.0.0.1 port=45431 user=postgres dbname=shop password=x
2026-11-22 22:23:26.301 UTC [25425] LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 31247) exited with exit code 1
";
        let seen = incident(log, NAME).unwrap();
        assert_eq!(seen.lines.len(), 1, "{seen:?}");
        assert!(seen.lines[0].contains("Is the server running"));
        let statement =
            "1 [7] ERROR:  no\n1 [7] STATEMENT:  ALTER ROLE x PASSWORD\n\t'x'\n1 [7] LOG:  next";
        let entries = entries(statement);
        assert_eq!(entries.len(), 3, "{entries:?}");
        assert_eq!(
            entries[1],
            "1 [7] STATEMENT:  ALTER ROLE x PASSWORD [redacted]"
        );
    }
}
