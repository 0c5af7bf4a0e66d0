//! How one side parses the condition of `--where`. Nothing of it is run.

use pgl_conn::{Begin, Error, Session};
use pgl_core::verify::parsed_condition::{Call, SideCondition, parse};
use pgl_core::verify::types::RelationInfo;

use super::sql::with_condition;
use crate::rows;

/// The condition on a table, and what the catalogs say of its parts; nothing where the server does not accept it, which reading the
/// table will report. The inner error is what is not known to follow from the row alone.
pub fn side_condition(
    session: &mut Session,
    relation: &RelationInfo,
    condition: &str,
) -> Result<Option<Result<SideCondition, String>>, Error> {
    session.begin(Begin::ReadOnly)?;
    session.batch(include_str!("../../sql/verify_parse_on.sql"))?;
    session.notices();
    let parsed = session.parse(&with_condition(relation, condition));
    let trees = session.notices();
    if !matches!(&parsed, Err(error) if error.is_lost()) {
        session.rollback()?;
    }
    match parsed {
        Err(error) if error.sqlstate.is_none() => return Err(error),
        Err(error) => {
            log::debug!("--where on {}: {error}", relation.qualified());
            return Ok(None);
        }
        Ok(()) => {}
    }
    let tree = (trees.into_iter())
        .filter_map(|notice| notice.detail)
        .find(|tree| tree.contains(":quals"))
        .unwrap_or_default();
    let parsed = match parse(&tree) {
        Ok(parsed) => parsed,
        Err(why) => return Ok(Some(Err(why))),
    };
    let calls = |of: fn(&Call) -> Option<u32>| -> Vec<i64> {
        (parsed.calls.iter())
            .filter_map(|(call, _)| of(call).map(i64::from))
            .collect()
    };
    let functions = calls(|call| match call {
        Call::Function(oid) | Call::Named(oid) => Some(*oid),
        _ => None,
    });
    let operators = calls(|call| match call {
        Call::Operator(oid) => Some(*oid),
        _ => None,
    });
    let types: Vec<i64> = parsed.types.iter().copied().map(i64::from).collect();
    Ok(Some(Ok(SideCondition {
        functions: rows(
            session,
            include_str!("../../sql/verify_condition_functions.sql"),
            &[&functions, &operators],
        )?,
        types: rows(
            session,
            include_str!("../../sql/verify_condition_types.sql"),
            &[&types],
        )?,
        parsed,
    })))
}
