//! How one side parses the condition of `--where`. Nothing of it is run.

use pgl_conn::{Begin, Error, Session};
use pgl_core::verify::parsed_condition::{
    Call, ConditionCatalog, ParsedCondition, SideCondition, parse,
};
use pgl_core::verify::types::RelationInfo;

use super::sql::with_condition;
use crate::rows;

/// `pg_collation.oid` of `default`.
const DEFAULT_COLLATION: u32 = 100;

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
    let catalog = catalog(session, &parsed)?;
    let mut condition = SideCondition { parsed, catalog };
    if condition.may_order() {
        let sql = include_str!("../../sql/verify_enums.sql");
        condition.catalog.enums = rows(session, sql, &[])?;
    }
    Ok(Some(Ok(condition)))
}

fn catalog(session: &mut Session, parsed: &ParsedCondition) -> Result<ConditionCatalog, Error> {
    let calls = |of: fn(&Call) -> Option<u32>| -> Vec<i64> {
        (parsed.calls.iter())
            .filter_map(|(call, _)| of(call).map(i64::from))
            .collect()
    };
    let functions = calls(|call| match call {
        Call::Function(oid) => Some(*oid),
        _ => None,
    });
    let operators = calls(|call| match call {
        Call::Operator(oid) => Some(*oid),
        _ => None,
    });
    let mut types = calls(|call| match call {
        Call::Compare(oid) => Some(*oid),
        _ => None,
    });
    types.extend(parsed.converted.iter().copied().map(i64::from));
    let mut collations = vec![i64::from(DEFAULT_COLLATION)];
    collations.extend(parsed.calls.iter().map(|(_, oid)| i64::from(*oid)));
    let of_collations = match session.version().at_least(10) {
        true => include_str!("../../sql/verify_collations.sql"),
        false => include_str!("../../sql/verify_collations_pg94.sql"),
    };
    Ok(ConditionCatalog {
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
        collations: rows(session, of_collations, &[&collations])?,
        enums: Vec::new(),
    })
}
