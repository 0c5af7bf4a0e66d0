//! The script of fixes: what can be run as it is, and what only a person may run, as comments.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::cutover::READ_WRITE;
use crate::{Finding, Severity, Side};

/// The script that fixes one side: what takes effect at once first, what needs a restart last.
/// Each statement is there once, under the findings that it fixes. What would drop or end something
/// is a comment.
pub fn fix_script(findings: &[Finding], side: Side) -> String {
    let mine: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.fix_side == side && f.severity < Severity::Info)
        .collect();
    let mut script = format!(
        "-- What pgl-preflight found to fix on the {side}. Read it before you run it (psql -f).\n\
         -- Statements are grouped by check; what needs a server restart comes last.\n\
         -- Nothing here drops an object or ends a session: such statements are comments.\n"
    );
    if mine.is_empty() {
        let _ = writeln!(script, "-- Nothing to fix.");
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for restart in [false, true] {
        let part: Vec<&&Finding> = mine.iter().filter(|f| f.restart == restart).collect();
        if restart && !part.is_empty() {
            script
                .push_str("\n-- From here on: takes effect only after a restart of the server.\n");
        }
        for finding in part {
            let _ = writeln!(
                script,
                "\n-- {} [{}] {}",
                finding.id,
                finding.severity,
                comment(&finding.what)
            );
            let mut remedy = true;
            match &finding.sql {
                Some(sql) if seen.insert(sql) => {
                    if seen.len() == 1 {
                        // An attempt at a cutover leaves the target read-only for sessions that begin there.
                        let _ = writeln!(script, "{READ_WRITE};");
                    }
                    let end = if sql.trim_end().ends_with(';') {
                        ""
                    } else {
                        ";"
                    };
                    let _ = writeln!(script, "{}{end}", sql.trim_end());
                    remedy = false;
                }
                Some(_) => {
                    script.push_str("-- (see the same statement above)\n");
                    remedy = false;
                }
                None => {}
            }
            if remedy {
                let _ = writeln!(script, "-- Manual step: {}", comment(&finding.remedy));
            }
            if let Some(sql) = &finding.manual_sql {
                script.push_str("-- Run this only when you know that nobody needs it:\n");
                for line in lines(sql) {
                    let _ = writeln!(script, "--   {line}");
                }
            }
        }
    }
    script
}

/// The characters that end a line for psql, or for an editor.
const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(LINE_ENDS)
}

/// A line break in an object's name must not end the comment and become SQL.
fn comment(text: &str) -> String {
    lines(text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: &str, sql: Option<&str>) -> Finding {
        Finding {
            id: "aa.fires".to_owned(),
            severity: Severity::Warn,
            side: Side::Source,
            object: None,
            what: what.to_owned(),
            why: String::new(),
            remedy: "fix it".to_owned(),
            sql: sql.map(str::to_owned),
            manual_sql: None,
            fix_side: Side::Source,
            restart: false,
        }
    }

    #[test]
    fn the_script_holds_each_statement_once_and_restarts_last() {
        let restart = Finding {
            restart: true,
            ..finding("again", Some("SELECT 1"))
        };
        let manual = Finding {
            manual_sql: Some("DROP TABLE x;\nDROP TABLE y".to_owned()),
            ..finding("whose", None)
        };
        let target = Finding {
            fix_side: Side::Target,
            ..finding("elsewhere", Some("SELECT 2"))
        };
        let info = Finding {
            severity: Severity::Info,
            ..finding("good to know", Some("SELECT 3"))
        };
        let first = finding("two\nlines; DROP TABLE x", Some("SELECT 1"));
        let script = fix_script(&[restart, first, manual, target, info], Side::Source);
        let statements: Vec<&str> = script
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("--"))
            .collect();
        assert_eq!(
            statements,
            [format!("{READ_WRITE};").as_str(), "SELECT 1;"],
            "{script}"
        );
        assert!(script.find("again").unwrap() > script.find("restart of the server").unwrap());
        assert!(script.contains("-- Manual step: fix it"), "{script}");
        assert!(script.contains("--   DROP TABLE y"), "{script}");
        assert!(!script.contains("elsewhere") && !script.contains("good to know"));
        assert!(fix_script(&[], Side::Target).contains("-- Nothing to fix."));
    }
}
