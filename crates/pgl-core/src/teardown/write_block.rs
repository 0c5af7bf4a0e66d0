//! A database that a cutover has left read-only, and what becomes of it when the migration is removed: what it was like
//! before is only in the schema that goes.

use super::{Remaining, Removal, RemovalKind, TeardownPlan};
use crate::cutover::{AttemptState, open_sql, reset_sql, unblock_sql};
use crate::{Side, plural};

/// A former source stays read-only by its settings, and the report has the statements that allow writes; the triggers use
/// the schema that goes. A subscriber that was never promoted accepts writes again.
pub(super) fn plan(out: &mut TeardownPlan, side: Side, remaining: &Remaining) {
    let mut remove = |object: &str, statements: Vec<String>| {
        out.removals.push(Removal {
            statements,
            ..Removal::new(RemovalKind::WriteBlockTriggers, side, object)
        });
    };
    if !remaining.write_block.is_empty() {
        let object = plural(remaining.write_block.len(), "trigger");
        remove(&object, unblock_sql(&remaining.write_block));
    }
    let Some(closed) = &remaining.closed else {
        return;
    };
    let database = &closed.database;
    if !matches!(
        remaining.attempt,
        Some(AttemptState::Promoted | AttemptState::Done)
    ) {
        remove(database, open_sql(closed));
        return;
    }
    out.keep(
        side,
        format!("database {database} is read-only"),
        format!(
            "it is read-only since the cutover; to allow writes: {};",
            reset_sql(closed).join("; ")
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QualifiedName;
    use crate::cutover::Closed;

    fn closed(attempt: Option<AttemptState>) -> Remaining {
        Remaining {
            closed: Some(Closed {
                database: "shop".to_owned(),
                overrides: Vec::new(),
            }),
            attempt,
            ..Remaining::default()
        }
    }

    #[test]
    fn a_target_that_never_was_released_is_opened() {
        let mut out = TeardownPlan::default();
        plan(&mut out, Side::Target, &closed(None));
        assert_eq!(out.removals.len(), 1);
        assert_eq!(out.removals[0].kind, RemovalKind::WriteBlockTriggers);
        assert!(out.kept.is_empty());
    }

    #[test]
    fn a_home_that_was_left_stays_closed_and_says_how_to_open_it() {
        // Also where the work after the promotion was never finished.
        for state in [AttemptState::Promoted, AttemptState::Done] {
            let mut out = TeardownPlan::default();
            let left = Remaining {
                write_block: vec![QualifiedName::new("public", "t")],
                ..closed(Some(state))
            };
            plan(&mut out, Side::Source, &left);
            assert!(
                out.removals
                    .iter()
                    .flat_map(|one| &one.statements)
                    .all(|sql| sql.starts_with("DROP")),
                "only the triggers go: {:?}",
                out.removals
            );
            assert!(
                out.kept[0]
                    .reason
                    .contains(r#"ALTER DATABASE "shop" RESET default_transaction_read_only"#),
                "{:?}",
                out.kept
            );
        }
    }

    #[test]
    fn triggers_that_stayed_on_an_open_home_go() {
        let mut out = TeardownPlan::default();
        let open = Remaining {
            write_block: vec![QualifiedName::new("public", "t")],
            ..Remaining::default()
        };
        plan(&mut out, Side::Source, &open);
        assert_eq!(out.removals.len(), 1);
        assert!(
            out.removals[0].statements[0].starts_with("DROP TRIGGER"),
            "{:?}",
            out.removals
        );
    }
}
