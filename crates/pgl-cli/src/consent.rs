//! Asking before something is dropped.

use std::io::{self, BufRead, IsTerminal};

use crate::{Context, Failure};

/// Whether `--yes` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It was.
    Given,
    /// Ask, where somebody is there to answer.
    Ask,
}

impl Context {
    /// Goes on only with consent: given beforehand, or by a person at a terminal who types `yes`.
    ///
    /// # Errors
    /// A refusal where nobody is there to ask, or the answer is another one.
    pub fn consent(&self, question: &str, consent: Consent) -> Result<(), Failure> {
        if consent == Consent::Given {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && self.streams.err_tty) {
            return Err(
                Failure::refused(format!("{question} Nobody is here to answer."))
                    .hint("--dry-run shows what would be done, --yes does it"),
            );
        }
        self.streams.tell(&format!("{question} Type yes to go on:"));
        self.streams.drain();
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && answer.trim() == "yes" {
            Ok(())
        } else {
            Err(Failure::refused("not confirmed; nothing was changed"))
        }
    }
}
