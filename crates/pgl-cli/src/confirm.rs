//! Confirmation before something is dropped, overwritten or blocked: the same in all tools that write. A person at a
//! terminal is asked, anywhere else it takes `--yes`; a dry run is never asked.

use std::io::{self, BufRead, IsTerminal};

use crate::{Context, Failure};

/// What a question comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Confirmed,
    AskOnTerminal,
    NoTerminal,
}

/// Who answers. Both ends have to be a terminal: a question that nobody sees, or an answer that comes out of a pipe, is
/// no confirmation.
fn answer(yes: bool, stdin_tty: bool, stderr_tty: bool) -> Answer {
    match yes {
        true => Answer::Confirmed,
        false if stdin_tty && stderr_tty => Answer::AskOnTerminal,
        false => Answer::NoTerminal,
    }
}

/// Only the whole word confirms.
fn confirms(line: &str) -> bool {
    line.trim() == "yes"
}

impl Context {
    /// Goes on only where it is confirmed: beforehand with `--yes`, or by a person at a terminal who types `yes`.
    ///
    /// # Errors
    /// A refusal where there is no terminal, or the answer is another one.
    pub fn consent(&self, question: &str, yes: bool) -> Result<(), Failure> {
        match answer(yes, io::stdin().is_terminal(), self.streams.err_tty) {
            Answer::Confirmed => Ok(()),
            Answer::NoTerminal => Err(Failure::refused(format!(
                "not confirmed: {question} There is no terminal to confirm on"
            ))
            .hint("--dry-run prints what would be done, --yes confirms it")),
            Answer::AskOnTerminal => {
                self.streams
                    .tell(&format!("{question} Type yes to confirm:"));
                self.streams.drain();
                let mut line = String::new();
                let read = io::stdin().lock().read_line(&mut line);
                if read.is_ok() && confirms(&line) {
                    Ok(())
                } else {
                    Err(Failure::refused("not confirmed; nothing was changed"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_or_an_option_confirms() {
        for (stdin, stderr) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(answer(true, stdin, stderr), Answer::Confirmed);
            let asked = answer(false, stdin, stderr);
            let expected = if stdin && stderr {
                Answer::AskOnTerminal
            } else {
                Answer::NoTerminal
            };
            assert_eq!(asked, expected);
        }
        for line in ["yes", "yes\n", " yes \r\n"] {
            assert!(confirms(line), "{line:?}");
        }
        for line in ["", "\n", "y", "YES", "yes please", "no"] {
            assert!(!confirms(line), "{line:?}");
        }
    }
}
