//! Hooks: a command of the user's, with the document so far on its standard input.
//!
//! A hook is a process group of its own: at its time limit, or at a signal, all of it is ended and waited for. What it
//! started would else go on, and point clients to a target after the attempt was rolled back.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pgl_apply::Error;
use pgl_cli::Context;
use pgl_core::cutover::Attempt;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::Value;

use crate::args::RestoredHook;

/// Between two looks at the command.
const LOOK: Duration = Duration::from_millis(2);
/// How long what was killed may take to be gone.
const GONE: Duration = Duration::from_secs(5);
/// How long the last line that it wrote may take to be read, once it has ended.
const LAST_LINE: Duration = Duration::from_millis(200);

/// How long a hook may take, and which option says so.
#[derive(Debug, Clone)]
pub(crate) struct HookLimit {
    name: String,
    pub(crate) limit: Duration,
    option: &'static str,
}

impl HookLimit {
    /// The hook's own limit, or what is left of the write outage's where that is less.
    pub(crate) fn new(name: &str, timeout: Duration, left: Option<Duration>) -> Self {
        let (limit, option) = match left {
            Some(left) if left <= timeout => (left, "what was left of --max-pause"),
            _ => (timeout, "--hook-timeout"),
        };
        Self {
            name: name.to_owned(),
            limit,
            option,
        }
    }

    /// The hook did not end within it; `last` is what it wrote last.
    pub(crate) fn exceeded(&self, last: &str) -> Error {
        Error::Late {
            what: format!(
                "{} exceeded its limit: not done after {:.1} s, {}{last}",
                self.name,
                self.limit.as_secs_f64(),
                self.option
            ),
            hint: "run the command by itself to see how long it takes; --hook-timeout and --max-pause set the limit"
                .to_owned(),
        }
    }
}

/// Runs a hook through the shell and waits for it, as long as `stop` does not say that a signal has come. What it writes to
/// standard error is passed on without waiting for whoever reads it.
///
/// # Errors
/// [`Error::Program`] when it cannot be run or fails; [`Error::Late`] when it takes too long; [`Error::Interrupted`] after a signal. Its process
/// group is gone then.
pub(crate) fn run(
    limit: &HookLimit,
    command: &OsStr,
    input: &Value,
    stop: &dyn Fn() -> bool,
) -> Result<(), Error> {
    let name = limit.name.as_str();
    let failed = |detail: String| Error::Program {
        what: format!("{name} failed"),
        detail,
        hint: "run the command by itself with a document on its standard input".to_owned(),
    };
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env("PGL_HOOK", name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A document is larger than a pipe only where the plan is huge; a hook need not read it.
        let text = input.to_string();
        std::thread::spawn(move || {
            if let Err(error) = stdin.write_all(text.as_bytes()) {
                log::debug!("the hook did not read its input: {error}");
            }
        });
    }
    let said = Said::default();
    if let Some(stderr) = child.stderr.take() {
        let (said, name) = (said.clone(), name.to_owned());
        std::thread::spawn(move || said.pass_on(&name, stderr));
    }
    let until = Instant::now().checked_add(limit.limit);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(failed(format!("{status}{}", said.last()))),
            Ok(None) if stop() => {
                end(name, &mut child);
                return Err(Error::Interrupted);
            }
            Ok(None) if until.is_some_and(|until| Instant::now() > until) => {
                end(name, &mut child);
                return Err(limit.exceeded(&said.last()));
            }
            Ok(None) => std::thread::sleep(LOOK),
            Err(error) => {
                end(name, &mut child);
                return Err(failed(error.to_string()));
            }
        }
    }
}

/// The last line that a hook wrote to standard error, and whether there can be more.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<(String, bool)>>);

impl Said {
    fn pass_on(&self, name: &str, stderr: impl Read) {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            log::warn!("{name}: {line}");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = line;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
    }

    fn last(&self) -> String {
        let until = Instant::now() + LAST_LINE;
        loop {
            let (line, all) = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if all || Instant::now() > until {
                return if line.is_empty() {
                    String::new()
                } else {
                    format!(": {line}")
                };
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Ends everything that belongs to the hook, and waits until it is gone.
fn end(name: &str, child: &mut Child) {
    let group = Pid::from_child(child);
    if let Err(error) = kill_process_group(group, Signal::KILL) {
        log::warn!("{name} cannot be ended: {error}");
    }
    // A command that the shell has replaced itself with may have left the group.
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        log::warn!("{name}: {error}");
    }
    let until = Instant::now() + GONE;
    while test_kill_process_group(group) != Err(Errno::SRCH) {
        if Instant::now() > until {
            log::warn!("{name}: a process of its group {group} does not end");
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// Runs a hook after the decision: a signal that came before it does not keep it from being run, one that comes now
/// ends it.
pub(crate) fn run_after(
    context: &Context,
    name: &str,
    command: &OsStr,
    input: &Value,
    limit: Duration,
) -> Result<(), Error> {
    let before = context.interrupt.exit().is_some();
    let stop = || !before && context.interrupt.exit().is_some();
    run(&HookLimit::new(name, limit, None), command, input, &stop)
}

/// The hook for the moment at which the source accepts writes again.
pub(crate) fn restored_hook(hook: &RestoredHook, context: &Context, attempt: &Attempt) {
    if let Some(command) = &hook.hook_restored {
        let input = serde_json::json!({"hook": "hook-restored", "attempt": attempt});
        let outcome = run_after(context, "hook-restored", command, &input, hook.hook_timeout);
        if let Err(error) = outcome {
            context.say(&format!("pgl-cutover: warning: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: fn() -> bool = || false;

    fn start(command: &str, limit: Duration, stop: &dyn Fn() -> bool) -> Result<(), Error> {
        let limit = HookLimit::new("hook-x", limit, None);
        run(&limit, OsStr::new(command), &Value::Null, stop)
    }

    /// A command that starts another one in the background, which would make a file after a second.
    fn with_child(dir: &std::path::Path) -> String {
        let (begun, late) = (dir.join("begun"), dir.join("late"));
        format!(
            "(touch '{}'; sleep 1; touch '{}') & wait",
            begun.display(),
            late.display()
        )
    }

    fn nothing_comes_late(dir: &std::path::Path) {
        let until = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < until {
            assert!(!dir.join("late").exists(), "a process of the hook went on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn at_the_limit_everything_that_it_started_ends() {
        let dir = tempfile::tempdir().unwrap();
        let command = with_child(dir.path());
        let Err(Error::Late { what, .. }) = start(&command, Duration::from_millis(300), &NEVER)
        else {
            panic!("it was not ended");
        };
        assert!(
            what.ends_with("exceeded its limit: not done after 0.3 s, --hook-timeout"),
            "{what}"
        );
        nothing_comes_late(dir.path());
    }

    #[test]
    fn the_limit_that_is_reached_first_is_named() {
        let secs = Duration::from_secs;
        for (timeout, left, limit, option) in [
            (30, None, 30, "--hook-timeout"),
            (30, Some(31), 30, "--hook-timeout"),
            (30, Some(30), 30, "what was left of --max-pause"),
            (30, Some(12), 12, "what was left of --max-pause"),
        ] {
            let found = HookLimit::new("hook-x", secs(timeout), left.map(secs));
            assert_eq!((found.limit, found.option), (secs(limit), option));
        }
    }

    #[test]
    fn a_signal_is_seen_while_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let begun = dir.path().join("begun");
        let outcome = start(&with_child(dir.path()), Duration::MAX, &|| begun.exists());
        assert!(matches!(outcome, Err(Error::Interrupted)));
        nothing_comes_late(dir.path());
    }

    #[test]
    fn what_it_wrote_last_is_the_reason() {
        let limit = Duration::from_secs(60);
        assert!(start("exit 0", limit, &NEVER).is_ok());
        let Err(Error::Program { detail, .. }) =
            start("echo first >&2; echo why >&2; exit 7", limit, &NEVER)
        else {
            panic!("it did not fail");
        };
        assert_eq!(detail, "exit status: 7: why");
    }
}
