//! Documents and files that a tool is given. `-` is standard input, read only when asked for.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pgl_core::cutover::can_be_forced;
use pgl_core::doc::{BadDocument, Incoming};
use pgl_core::{Database, Exit, Migration, Side};

use crate::args::PlanInput;
use crate::{Failure, Interrupt};

/// The whole of a file, or of standard input for `-`. A pipe may stay silent for hours: a signal
/// ends the wait at once.
pub fn read_text(path: &Path, interrupt: &Interrupt) -> Result<String, Failure> {
    let (sender, receiver) = mpsc::channel();
    let of = path.to_owned();
    // The thread of a read that never ends ends with the process.
    std::thread::spawn(move || {
        // Nobody receives it after a signal.
        let _unread = sender.send(read(&of));
    });
    loop {
        interrupt.check()?;
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(text) => {
                return text.map_err(|error| {
                    Failure::usage(format!("cannot read {}: {error}", name_of(path)))
                });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(
                    Exit::Bug,
                    format!("reading {} ended without an answer", name_of(path)),
                ));
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(path)
    }
}

/// The document that `--plan` names, refused if its verdict forbids going on.
pub fn read_plan(input: &PlanInput, interrupt: &Interrupt) -> Result<Option<Incoming>, Failure> {
    if let Some(id) = input.force.iter().find(|id| !can_be_forced(id)) {
        return Err(
            Failure::usage(format!("--force {id}: nothing blocks under this id"))
                .hint("what blocks names its own id"),
        );
    }
    let Some(path) = &input.plan else {
        return Ok(None);
    };
    let text = read_text(path, interrupt)?;
    if text.trim().is_empty() {
        // An earlier tool in a pipe that failed writes nothing; without pipefail this is the only sign.
        return Err(Failure::refused(format!(
            "{} is empty: the tool before this one wrote no document",
            name_of(path)
        ))
        .hint("read that tool's own message; in a shell, set -o pipefail"));
    }
    let incoming = Incoming::read(&text).map_err(|error| {
        let failure = Failure::usage(format!("{}: {error}", name_of(path)));
        match error {
            BadDocument::Incomplete => failure.hint("the tool that wrote it did not come to its end: run pgl-preflight, or whichever tool it was, again"),
            BadDocument::Form(_) => failure.hint("a document is what pgl-preflight --format json writes to standard output"),
            BadDocument::Major(_) => failure.hint("write it again with the tools of this version"),
        }
    })?;
    if incoming.usable(&input.force) {
        return Ok(Some(incoming));
    }
    let blocked = incoming.still_blocked(&input.force).join(", ");
    let failure = if blocked.is_empty() {
        Failure::refused(format!(
            "the verdict of the document of {} is {}",
            incoming.tool,
            incoming.verdict.as_str()
        ))
        .hint(format!(
            "fix what {} reports and run it again",
            incoming.tool
        ))
    } else {
        Failure::refused(format!(
            "blocking findings in the document of {}: {blocked}",
            incoming.tool
        ))
        .hint(format!(
            "fix them and run {} again; --force {} overrides exactly these",
            incoming.tool,
            incoming.still_blocked(&input.force).join(",")
        ))
    };
    Err(failure)
}

/// Refuses a document that was made for another server than the one that was found.
pub fn same_server(planned: &Migration, side: Side, found: &Database) -> Result<(), Failure> {
    let planned = match side {
        Side::Source => Some(&planned.source),
        Side::Target => planned.target.as_ref(),
    };
    match planned {
        Some(planned) if planned.same_as(found) == Some(false) => Err(Failure::refused(format!(
            "the document was made for another {side}: for {planned}, and this is {found}"
        ))
        .on(side)
        .hint("connect to the databases that it was made for, or run pgl-preflight on these two")),
        _ => Ok(()),
    }
}

/// Refuses two sides that are one database, and a document that was made for others than these.
pub fn same_pair(
    planned: Option<&Migration>,
    source: &Database,
    target: Option<&Database>,
) -> Result<(), Failure> {
    if target.and_then(|target| source.same_as(target)) == Some(true) {
        return Err(Failure::refused("source and target are the same database"));
    }
    let Some(planned) = planned else {
        return Ok(());
    };
    same_server(planned, Side::Source, source)?;
    target.map_or(Ok(()), |target| same_server(planned, Side::Target, target))
}

fn name_of(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}
