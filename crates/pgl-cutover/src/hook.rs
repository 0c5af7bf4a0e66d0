//! Hooks: a command of the user's, with the document so far on its standard input.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgl_apply::Error;
use serde_json::Value;

/// Runs a hook through the shell and waits for it. What it prints goes to standard error.
///
/// # Errors
/// [`Error::Program`] when it cannot be run, fails, or takes too long.
pub(crate) fn run(
    name: &str,
    command: &OsStr,
    input: &Value,
    limit: Duration,
) -> Result<(), Error> {
    let failed = |detail: String| Error::Program {
        what: format!("hook {name} failed"),
        detail,
        hint: "run it by hand with a document on its standard input".to_owned(),
    };
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env("PGL_HOOK", name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
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
    let until = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(failed(status.to_string())),
            Ok(None) if Instant::now() > until => {
                if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
                    log::warn!("hook {name}: {error}");
                }
                return Err(failed(format!("not done after {} s", limit.as_secs())));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(failed(error.to_string())),
        }
    }
}
