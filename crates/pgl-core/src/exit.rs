//! Exit codes: one enum, one table, the same for every tool.

/// How a tool ends. README, `--help` and the man pages show [`Exit::TABLE`]; a test holds them
/// equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done; the answer is yes.
    Yes = 0,
    /// Ran well, the answer is no.
    No = 1,
    /// Usage error or unreadable input.
    Usage = 2,
    /// Could not find out.
    Unknown = 3,
    /// Not yet: the time given ran out.
    NotYet = 4,
    /// Refused: a precondition does not hold; nothing was changed.
    Refused = 5,
    /// Partly applied; running again continues.
    Partial = 6,
    /// A bug in the tool.
    Bug = 70,
    /// The result could not be written.
    Output = 74,
    /// Ended by SIGHUP.
    HungUp = 129,
    /// Ended by SIGINT.
    Interrupted = 130,
    /// Ended by SIGQUIT.
    Quit = 131,
    /// Ended by SIGTERM.
    Terminated = 143,
}

/// How something failed, as every tool tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReport {
    /// The exit code of a tool that ends with it before anything was changed.
    pub exit: Exit,
    /// The server it is about.
    pub side: Option<crate::Side>,
    /// SQLSTATE, where a server said it.
    pub sqlstate: Option<String>,
    /// What failed.
    pub message: String,
    /// What the server added.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Exit {
    /// Every code with its meaning, in order.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Yes, "done; the answer is yes"),
        (
            Self::No,
            "ran well, the answer is no: blocking findings, rows differ, lag above the limit, sequences behind, what is waited for cannot come",
        ),
        (Self::Usage, "usage error or unreadable input"),
        (
            Self::Unknown,
            "could not find out: cannot connect, not permitted, the server failed",
        ),
        (
            Self::NotYet,
            "not yet: a time limit of the tool ran out, trying again makes sense",
        ),
        (
            Self::Refused,
            "refused: a precondition does not hold; nothing was changed",
        ),
        (
            Self::Partial,
            "partly applied: the document says which steps are done; running again continues",
        ),
        (Self::Bug, "a bug in the tool"),
        (Self::Output, "the result could not be written"),
        (
            Self::HungUp,
            "ended by SIGHUP: the terminal or the ssh session has gone",
        ),
        (Self::Interrupted, "ended by SIGINT"),
        (Self::Quit, "ended by SIGQUIT"),
        (Self::Terminated, "ended by SIGTERM"),
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The table as `--help` prints it.
    pub fn help() -> String {
        let mut text = String::from("Exit codes:\n");
        for (exit, meaning) in Self::TABLE {
            text.push_str(&format!("  {:>3}  {meaning}\n", exit.code()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 70, 74, 129, 130, 131, 143]);
    }
}
