//! `pgl-cutover abort` while the target is away: the source's own journal may be enough.
//!
//! Nothing is released before the state "promoting" stands on the source's disk, and whoever would write it there
//! has lost the sessions to do it with when this opens the source.

use pgl_cli::{Context, Failure};
use pgl_conn::{Environment, Session};
use pgl_core::cutover::{AttemptState, Direction, Purpose};
use pgl_core::doc::Verdict;
use pgl_core::{Migration, Side};

use crate::args::Abort;
use crate::context::{failure, open, take};
use crate::hook::restored_hook;
use crate::restore::{STAYS_READ_ONLY, unblock};
use crate::view::CutoverBody;

/// Takes back an attempt whose target cannot be reached (`away` says why), where it is certain that it
/// was not released.
pub(crate) fn abort(args: &Abort, context: &Context, away: Failure) -> Result<Verdict, Failure> {
    let environment = Environment::capture();
    let source = context.endpoint(Side::Source, &args.common.connect, &environment)?;
    let mut session = open(context.tool, &source)?;
    let database = pgl_catalog::database(&mut session)?;
    let name = args
        .common
        .name
        .clone()
        .unwrap_or_else(|| database.database.clone());
    let lock = take(
        context,
        &args.common,
        &args.terminate.terminate,
        &name,
        session,
        None::<Session>,
    )?;
    let (mut session, _, state) = lock.into_parts();
    state.allows(Purpose::CutOver).map_err(failure)?;
    let Some(found) = state.source.and_then(|record| record.attempt) else {
        return Err(away);
    };
    if found.direction != Direction::Forward || found.state.is_over() {
        return Err(away);
    }
    if found.state >= AttemptState::Promoting {
        return Err(away.hint(
            "the target may have been promoted: the source stays read-only until the target can be asked",
        ));
    }
    unblock(&mut session, &name, &found, "abort").map_err(failure)?;
    restored_hook(&args.restored, context, &found);
    let mut body = CutoverBody::new(found.direction);
    body.state = Some(AttemptState::Restored);
    body.notes.push(format!(
        "the target cannot be reached ({}); the attempt had stopped at {}, before the promotion: rolled back, the source accepts writes",
        away.message,
        found.state.as_str()
    ));
    body.notes.push(STAYS_READ_ONLY.to_owned());
    let migration = Migration {
        name,
        source: database,
        target: None,
    };
    context.emit(&context.document(Verdict::Ok, Some(migration), None, body))?;
    Ok(Verdict::Ok)
}
