//! Documents and files that a tool is given. `-` is standard input, read only when asked for.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use pgl_core::doc::Incoming;
use pgl_core::{Database, Migration, Side};

use crate::Failure;
use crate::args::PlanInput;

/// The whole of a file, or of standard input for `-`.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        return Ok(text);
    }
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))
}

/// The document that `--plan` names, refused if its verdict forbids going on.
pub fn read_plan(input: &PlanInput) -> Result<Option<Incoming>, Failure> {
    let Some(path) = &input.plan else {
        return Ok(None);
    };
    let text = read_text(path)?;
    if text.trim().is_empty() {
        // An earlier tool in a pipe that failed writes nothing; without pipefail this is the only sign.
        return Err(Failure::refused(format!(
            "{} is empty: the tool before this one gave no document",
            name_of(path)
        ))
        .hint("look at that tool's own message; in a shell, set -o pipefail"));
    }
    let incoming = Incoming::read(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", name_of(path))))?;
    if incoming.usable(&input.force) {
        return Ok(Some(incoming));
    }
    let blocked = incoming.still_blocked(&input.force).join(", ");
    let failure = if blocked.is_empty() {
        Failure::refused(format!(
            "{} says {:?}: there is nothing to go on with",
            incoming.tool, incoming.verdict
        ))
    } else {
        Failure::refused(format!("{} found what blocks: {blocked}", incoming.tool))
            .hint("mend it and run that tool again; --force ID overrides exactly the ids named")
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
            "the document was made for another {side}: database {} of another cluster or name",
            planned.database
        ))
        .on(side)
        .hint("run pgl-preflight on these two databases")),
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
