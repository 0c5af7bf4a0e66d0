//! What a server log reports about the apply worker's last end.
//!
//! pglogical keeps the reason of a failure nowhere but in the log. The worker's end names the
//! worker (`background worker "pglogical apply 16384:77" (PID 4711) exited …`), and the process id
//! leads from there to its last error, whatever the line prefix looks like, as long as it holds the id.
//!
//! A line of a log is evidence with a time. What it says may have been fixed since: the causes are
//! compared with what the catalogs show now.

use std::time::UNIX_EPOCH;

use crate::redact;

/// The last time that an apply worker ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its process.
    pub pid: u32,
    /// `exited with exit code 1`, `was terminated by signal 11: Segmentation fault`.
    pub end: String,
    /// How often a worker of this name ended within the part of the log that was read.
    pub times: u32,
    /// Seconds since then; null where the line prefix has no time.
    pub age: Option<f64>,
    /// Its last error.
    pub error: Option<Said>,
    /// The last error of a session that copied for it.
    pub copy: Option<Said>,
}

/// An error with its details.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// `ERROR:  …` without the prefix of the line.
    pub message: String,
    /// `DETAIL:  …`, `CONTEXT:  …`.
    pub details: Vec<String>,
    /// Seconds since then.
    pub age: Option<f64>,
}

impl Said {
    /// Whether the message or one of its details contains this.
    pub fn says(&self, text: &str) -> bool {
        self.message.contains(text) || self.details.iter().any(|line| line.contains(text))
    }

    /// As evidence. The values of rows are left out unless they are asked for.
    pub fn evidence(&self, place: &str, values: bool) -> Vec<String> {
        let ago = self
            .age
            .map_or(String::new(), |age| format!(" {:.0} s ago", age.max(0.0)));
        let shown = |line: &str| {
            if values {
                cut(line)
            } else {
                cut(&without_values(line))
            }
        };
        let details = self
            .details
            .iter()
            .filter(|line| values || !line.starts_with("STATEMENT"))
            .map(|line| shown(line));
        std::iter::once(format!("{place}{ago}: {}", shown(&self.message)))
            .chain(details)
            .collect()
    }
}

const SEVERITIES: [&str; 3] = ["ERROR", "FATAL", "PANIC"];
const DETAILS: [&str; 4] = ["DETAIL", "HINT", "CONTEXT", "STATEMENT"];
/// A line longer than this is cut: pglogical prints whole replication commands.
const LONGEST: usize = 400;
/// A process writes at most a few lines before it ends; a busy server many in between.
const WINDOW: usize = 2000;

/// Finds the last end of the worker of this name, unless it was told to stop after that. `now` is the
/// server's time in the form and zone of its log.
pub fn incident(log: &str, worker: &str, now: Option<&str>) -> Option<Incident> {
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
    let (error, copy) = last_words(&lines[..at], pid, now);
    Some(Incident {
        pid,
        end: end.trim().to_owned(),
        times,
        age: age(&lines[at], now),
        error,
        copy,
    })
}

/// The last line that says an apply worker took the server down, and how often that is in the
/// log; at least twice, or it is no loop.
pub fn crashes(log: &str) -> Option<(String, u32)> {
    let says = |line: &&str| {
        line.contains("background worker \"pglogical apply")
            && line.contains("terminated by signal")
    };
    let lines: Vec<&str> = log.lines().filter(says).collect();
    let times = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let last = lines.last().filter(|_| times > 1)?;
    Some((cut(message(last)), times))
}

/// The last line that says pglogical found no worker slot, if no worker has ended since.
pub fn no_worker_left(log: &str, now: Option<&str>) -> Option<Said> {
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
        .map(|line| Said {
            message: message(line).to_owned(),
            details: Vec::new(),
            age: age(line, now),
        })
}

/// The source's last error about this slot, unless a stream from it has begun since.
pub fn source_error(log: &str, slot: &str, now: Option<&str>) -> Option<Said> {
    let lines = join(log);
    let window = &lines[lines.len().saturating_sub(WINDOW)..];
    let quoted = format!("\"{slot}\"");
    let begun = format!("starting logical decoding for slot {quoted}");
    let mut last = None;
    for at in 0..window.len() {
        if window[at].contains(&begun) {
            last = None;
        }
        let Some(said) = said(window, at, now) else {
            continue;
        };
        // The slot's name may be in the statement only: START_REPLICATION SLOT "x" …
        if said.says(&quoted) {
            last = Some(said);
        }
    }
    last
}

/// The error at this line, if it is one.
fn said(lines: &[String], at: usize, now: Option<&str>) -> Option<Said> {
    let line = lines.get(at).filter(|line| word(line, &SEVERITIES))?;
    Some(Said {
        message: message(line).to_owned(),
        details: lines[at + 1..]
            .iter()
            .take_while(|next| word(next, &DETAILS))
            .map(|next| message(next).to_owned())
            .collect(),
        age: age(line, now),
    })
}

/// The last error of one process, and of a session that copied while it lived.
fn last_words(before: &[String], pid: u32, now: Option<&str>) -> (Option<Said>, Option<Said>) {
    let window = &before[before.len().saturating_sub(WINDOW)..];
    // A process id comes back: only what this worker wrote counts.
    let own = |line: &String| has_pid(line, pid);
    let began = window
        .iter()
        .rposition(|line| own(line) && line.contains("starting apply for subscription"))
        .or_else(|| window.iter().position(own))
        .unwrap_or(window.len());
    let (mut error, mut copy) = (None, None);
    for at in began..window.len() {
        // What follows an error in its own transaction names no reason.
        let Some(said) = said(window, at, now)
            .filter(|said| !said.message.contains("current transaction is aborted"))
        else {
            continue;
        };
        if own(&window[at]) {
            error = Some(said);
        } else if said.details.iter().any(|line| {
            line.starts_with("CONTEXT:  COPY ") || line.starts_with("STATEMENT:  COPY ")
        }) {
            // The real error of a copy is another session's: the one with COPY in its context.
            copy = Some(said);
        }
    }
    // That session's error is none of a worker that ended for another reason.
    let copied = error.as_ref().is_none_or(|error: &Said| {
        error.says("copy") || error.says("COPY") || error.says("nonrecoverable")
    });
    (error, copy.filter(|_| copied))
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

/// What precedes the severity.
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

/// Seconds between the time in the prefix of a line and `now`, which are of the same zone.
fn age(line: &str, now: Option<&str>) -> Option<f64> {
    Some(stamp(now?)? - stamp(prefix(line))?)
}

/// The first `2026-11-29 10:20:30.123` in a text, in seconds; only differences mean anything.
fn stamp(text: &str) -> Option<f64> {
    let time = |at: usize, length: usize| {
        let time = humantime::parse_rfc3339_weak(text.get(at..at + length)?).ok()?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
    };
    // With milliseconds, or without.
    (0..text.len()).find_map(|at| time(at, 23).or_else(|| time(at, 19)))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    // The cause of a failed command is behind it.
    let head: String = text.chars().take(120).collect();
    let count = text.chars().count();
    let tail: String = text.chars().skip(count - (LONGEST - 121)).collect();
    format!("{head}…{tail}")
}

/// The line without the values of rows: keys, tuples, failing rows, input that could not be read.
pub fn without_values(line: &str) -> String {
    let mut text = line.to_owned();
    // "Failing row contains (1, x)." and "Key (id)=(1) already exists."
    for (begin, end) in [
        ("Failing row contains (", ')'),
        (")=(", ')'),
        ("tuple {", '}'),
    ] {
        if let Some(at) = text.find(begin) {
            let from = at + begin.len();
            let to = text[from..].rfind(end).map_or(text.len(), |n| from + n);
            text.replace_range(from..to, "…");
        }
    }
    // `invalid input syntax for type integer: "x"`, `COPY t, line 1, column c: "x"`.
    if let Some(at) = text.find(": \"") {
        text.truncate(at + 2);
        text.push('…');
    }
    if let Some(at) = text.find("value \"") {
        let from = at + "value \"".len();
        let to = text[from..].find('"').map_or(text.len(), |n| from + n);
        text.replace_range(from..to, "…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "pglogical apply 16384:1312612601";
    const NOW: Option<&str> = Some("2026-11-22 22:23:30.000");

    #[test]
    fn the_worker_s_own_error_is_found() {
        let log = "\
2026-11-22 22:20:56.500 UTC [99] ERROR:  syntax error at or near \"x\"
2026-11-22 22:20:56.599 UTC [25492] ERROR:  cannot truncate a table referenced in a foreign key constraint
2026-11-22 22:20:56.599 UTC [25492] DETAIL:  Table \"b\" references \"a\".
2026-11-22 22:20:56.599 UTC [25492] CONTEXT:  apply QUEUED_TRUNCATE in commit before 0/19966A8, xid 730 (action #2) from node replorigin 1
2026-11-22 22:20:56.599 UTC [25492] LOG:  apply worker [25492] at slot 2 generation 1 exiting with error
2026-11-22 22:20:56.603 UTC [25425] LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 25492) exited with exit code 1
";
        let seen = incident(log, NAME, Some("2026-11-22 22:21:06.603")).unwrap();
        assert_eq!((seen.pid, seen.times, seen.age), (25492, 1, Some(10.0)));
        assert_eq!(seen.end, "exited with exit code 1");
        let error = seen.error.unwrap();
        assert!(error.message.starts_with("ERROR:  cannot truncate"));
        assert_eq!(error.details.len(), 2, "{error:?}");
        assert_eq!(seen.copy, None);
        let evidence = error.evidence("target's log", false);
        assert!(
            evidence[0].starts_with("target's log 10 s ago: ERROR:  cannot"),
            "{evidence:?}"
        );
        assert!(incident(log, "pglogical apply 1:1", None).is_none());
    }

    #[test]
    fn the_last_error_wins_and_other_lines_name_no_table() {
        let log = "\
2026-11-22 22:19:00.000 UTC [7] LOG:  starting apply for subscription moving
2026-11-22 22:19:01.000 UTC [7] ERROR:  of a process that had this id before
2026-11-22 22:20:00.000 UTC [7] LOG:  starting apply for subscription moving
2026-11-22 22:20:01.000 UTC [7] LOG:  CONFLICT: remote UPDATE on relation public.other
2026-11-22 22:20:01.000 UTC [7] CONTEXT:  apply UPDATE from remote relation public.other in commit
2026-11-22 22:20:02.000 UTC [7] ERROR:  the last
2026-11-22 22:20:02.000 UTC [7] CONTEXT:  apply INSERT from remote relation public.right in commit
2026-11-22 22:20:02.001 UTC [1] LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 7) exited with exit code 1
";
        let error = incident(log, NAME, NOW).unwrap().error.unwrap();
        assert_eq!(error.message, "ERROR:  the last");
        assert!(
            error.says("public.right") && !error.says("public.other"),
            "{error:?}"
        );
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
2026-11-22 22:23:01.151 UTC [30437] ERROR:  current transaction is aborted, commands ignored until end of transaction block
2026-11-22 22:23:01.151 UTC [30437] STATEMENT:  COPY \"public\".\"b\" (\"id\") FROM stdin
2026-11-22 22:23:01.167 UTC [30432] ERROR:  table copy failed
2026-11-22 22:23:01.167 UTC [30432] DETAIL:  Query 'COPY \"public\".\"b\" (\"id\",\"a_id\") FROM stdin':
2026-11-22 22:23:01.171 UTC [25425] LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 30432) exited with exit code 1
";
        let seen = incident(log, NAME, NOW).unwrap();
        assert!(seen.copy.as_ref().unwrap().says("a_pkey"), "{seen:?}");
        assert!(seen.error.as_ref().unwrap().says("table copy failed"));
        let evidence = seen.copy.unwrap().evidence("log", false).join("\n");
        assert!(
            !evidence.contains("(1)") && !evidence.contains("STATEMENT"),
            "{evidence}"
        );
    }

    #[test]
    fn a_crash_and_other_prefixes() {
        let log = "\
<2026-11-22 22:23:01 UTC,4711,apply> LOG:  starting apply
<2026-11-22 22:23:01 UTC,1,> LOG:  background worker \"pglogical apply 16384:1312612601\" (PID 4711) was terminated by signal 11: Segmentation fault
";
        let seen = incident(log, NAME, NOW).unwrap();
        assert!(seen.end.contains("signal 11"), "{seen:?}");
        assert_eq!((seen.error, seen.age), (None, Some(29.0)));
        let csv = "\
2026-11-22 22:23:01.150 UTC,,,4711,,6,1,,2026-11-22 22:23:00 UTC,3/1,0,ERROR,23505,\"duplicate key value violates unique constraint \"\"a\"\"\",,,,,,,,,\"\",\"\"
2026-11-22 22:23:01.170 UTC,,,12,,6,1,,2026-11-22 22:23:00 UTC,,0,LOG,00000,\"background worker \"\"pglogical apply 16384:1312612601\"\" (PID 4711) exited with exit code 1\",,,,,,,,,\"\",\"\"
";
        assert!(
            incident(&csv.replace("\"\"", "\""), NAME, NOW)
                .unwrap()
                .error
                .unwrap()
                .says("duplicate key")
        );
    }

    #[test]
    fn errors_before_a_stream_are_history() {
        let log = "\
2026-11-22 22:20:00.000 UTC [5] ERROR:  replication slot \"s\" is active for PID 4
2026-11-22 22:20:00.000 UTC [5] STATEMENT:  START_REPLICATION SLOT \"s\" LOGICAL 0/0
";
        let error = source_error(log, "s", Some("2026-11-22 22:20:07.000")).unwrap();
        assert_eq!(error.age, Some(7.0));
        assert_eq!(source_error(log, "other", NOW), None);
        let since = format!(
            "{log}2026-11-22 22:21:00 UTC [6] LOG:  starting logical decoding for slot \"s\"\n"
        );
        assert_eq!(source_error(&since, "s", NOW), None);
    }

    #[test]
    fn times_of_one_zone_are_compared() {
        let between =
            |one: &str, two: &str| age(&format!("{one} CET [1] LOG:  x"), Some(two)).unwrap();
        assert_eq!(
            between("2026-02-28 23:59:59.500", "2026-03-01 00:00:00.500"),
            1.0
        );
        assert_eq!(
            between("2024-02-28 00:00:00", "2024-03-01 00:00:00.000"),
            2.0 * 86_400.0
        );
        assert_eq!(
            between("2025-12-31 23:00:00", "2026-01-01 00:00:00"),
            3600.0
        );
        assert_eq!(age("[1] LOG:  x", NOW), None);
        assert_eq!(age("2026-11-22 22:23:01 [1] LOG:  x", None), None);
    }

    #[test]
    fn rows_are_not_repeated() {
        let cases = [
            (
                "DETAIL:  Key (a, b)=(secret, (x)) already exists.",
                "DETAIL:  Key (a, b)=(…) already exists.",
            ),
            (
                "DETAIL:  Failing row contains (1, secret).",
                "DETAIL:  Failing row contains (…).",
            ),
            (
                "LOG:  CONFLICT: remote tuple {id[int4]:1 v[text]:secret} in",
                "LOG:  CONFLICT: remote tuple {…} in",
            ),
            (
                "ERROR:  invalid input syntax for type integer: \"secret\"",
                "ERROR:  invalid input syntax for type integer: …",
            ),
            (
                "CONTEXT:  COPY t, line 1, column v: \"secret\"",
                "CONTEXT:  COPY t, line 1, column v: …",
            ),
            (
                "ERROR:  value \"secret\" is out of range for type integer",
                "ERROR:  value \"…\" is out of range for type integer",
            ),
            (
                "ERROR:  relation \"t\" does not exist",
                "ERROR:  relation \"t\" does not exist",
            ),
            (
                "ERROR:  setval: value 1001 is out of bounds for sequence \"few\" (1..10)",
                "ERROR:  setval: value 1001 is out of bounds for sequence \"few\" (1..10)",
            ),
        ];
        for (line, shown) in cases {
            assert_eq!(without_values(line), shown);
        }
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
        let seen = entries(log).join("\n");
        let error = incident(&seen, NAME, NOW).unwrap().error.unwrap();
        assert!(error.details.is_empty(), "{error:?}");
        assert!(error.message.contains("Is the server running"));
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
