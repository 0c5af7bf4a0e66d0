//! What a cutover has left closed to writers, and what becomes of it when the migration is taken
//! down: how to open it stands only in the schema that goes.

use super::{Kind, Removal, Standing, Teardown};
use crate::Side;
use crate::cutover::{State, open_sql, reset_sql, unwall_sql};

/// A home that was left stays closed by its settings, and its owner is told what opens it; the triggers
/// stand on the schema that goes. A new home that never was released is opened.
pub(super) fn plan(out: &mut Teardown, side: Side, standing: &Standing) {
    let mut remove = |object: &str, statements: Vec<String>| {
        out.removals.push(Removal {
            kind: Kind::Wall,
            side,
            object: object.to_owned(),
            statements,
            triggers: Vec::new(),
        });
    };
    if !standing.walls.is_empty() {
        let object = format!("{} triggers", standing.walls.len());
        remove(&object, unwall_sql(&standing.walls));
    }
    let Some(closed) = &standing.closed else {
        return;
    };
    let database = &closed.database;
    if !matches!(standing.attempt, Some(State::Switched | State::Done)) {
        remove(database, open_sql(closed));
        return;
    }
    out.keep(
        side,
        format!("database {database} closed to writers"),
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

    fn closed(attempt: Option<State>) -> Standing {
        Standing {
            closed: Some(Closed {
                database: "shop".to_owned(),
                overrides: Vec::new(),
            }),
            attempt,
            ..Standing::default()
        }
    }

    #[test]
    fn a_target_that_never_was_released_is_opened() {
        let mut out = Teardown::default();
        plan(&mut out, Side::Target, &closed(None));
        assert_eq!(out.removals.len(), 1);
        assert_eq!(out.removals[0].kind, Kind::Wall);
        assert!(out.kept.is_empty());
    }

    #[test]
    fn a_home_that_was_left_stays_closed_and_says_how_to_open_it() {
        let mut out = Teardown::default();
        let left = Standing {
            walls: vec![QualifiedName::new("public", "t")],
            ..closed(Some(State::Done))
        };
        plan(&mut out, Side::Source, &left);
        assert!(
            out.removals[0]
                .statements
                .iter()
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

    #[test]
    fn triggers_that_stayed_on_an_open_home_go() {
        let mut out = Teardown::default();
        let open = Standing {
            walls: vec![QualifiedName::new("public", "t")],
            ..Standing::default()
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
