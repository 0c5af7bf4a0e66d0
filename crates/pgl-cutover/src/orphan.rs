//! `--abort` while the target is away: the source's own journal may be enough.
//!
//! Nothing is released before the state "releasing" stands on the source's disk, and whoever would write it there
//! has lost the sessions to do it with when this opens the source.

use pgl_cli::{Context, Failure};
use pgl_conn::{Environment, Session};
use pgl_core::cutover::{Direction, State};
use pgl_core::doc::Verdict;
use pgl_core::{Migration, Side};

use crate::args::Cutover;
use crate::ground::{open, take};
use crate::restore::unblock;
use crate::run::{STAYS_SHUT, failure, restored_hook};
use crate::view::Body;

/// Takes back an attempt whose target cannot be reached (`away` says why), where it is certain that it
/// was not released.
pub(crate) fn abort(args: &Cutover, context: &Context, away: Failure) -> Result<Verdict, Failure> {
    let environment = Environment::capture();
    let source = context.endpoint(Side::Source, &args.connect, &environment)?;
    let mut session = open(context.tool, &source)?;
    let database = pgl_catalog::database(&mut session)?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| database.database.clone());
    let lock = take(args, context, &name, session, None::<Session>)?;
    let (mut session, _, state) = lock.into_parts();
    let Some(found) = state.source.and_then(|record| record.attempt) else {
        return Err(away);
    };
    if found.direction != Direction::Forward || found.state.is_over() {
        return Err(away);
    }
    if found.state >= State::Releasing {
        return Err(away.hint(
            "the target may have been promoted: the source stays read-only until the target can be asked",
        ));
    }
    unblock(&mut session, &name, &found, "--abort").map_err(failure)?;
    restored_hook(args, context, &found);
    let mut body = Body::new(found.direction);
    body.state = Some(State::Restored);
    body.notes.push(format!(
        "the target cannot be reached ({}); the attempt had stopped at {}, before the promotion: rolled back, the source accepts writes",
        away.message,
        found.state.as_str()
    ));
    body.notes.push(STAYS_SHUT.to_owned());
    let migration = Migration {
        name,
        source: database,
        target: None,
    };
    context.emit(&context.document(Verdict::Ok, Some(migration), None, body))?;
    Ok(Verdict::Ok)
}
