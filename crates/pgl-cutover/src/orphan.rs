//! `--abort` while the target is away: the source's own journal may be enough.
//!
//! Nothing is released before the state "releasing" stands on the source's disk, and whoever would write it there
//! has lost the sessions to do it with when this opens the source.

use pgl_apply::cutover::attempt;
use pgl_cli::{Context, Failure};
use pgl_conn::Environment;
use pgl_core::cutover::{Direction, State};
use pgl_core::doc::Verdict;
use pgl_core::{Migration, Side};

use crate::args::Cutover;
use crate::ground::open;
use crate::restore::{alone, open_again};
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
    let Some(found) = attempt(&mut session, &name)? else {
        return Err(away);
    };
    if found.direction != Direction::Forward || found.state.is_over() {
        return Err(away);
    }
    // Before it is judged: a run that lives could get further meanwhile.
    alone(&mut session, &name).map_err(failure)?;
    let Some(found) = attempt(&mut session, &name)? else {
        return Err(away);
    };
    if found.state.is_over() || found.state >= State::Releasing {
        return Err(away.hint(
            "the target may have been released: the source stays closed until the target can be asked",
        ));
    }
    open_again(&mut session, &name, &found)?;
    restored_hook(args, context, &found);
    let mut body = Body::new(found.direction);
    body.state = Some(State::Restored);
    body.notes.push(format!(
        "the target is away ({}); the attempt had stopped at {}, before the release: taken back, the source takes writes",
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
