//! Sequences that were exchanged: a column knows its sequence by OID, and values are set by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::READ_WRITE;
use crate::rules::some_of;
use crate::setup::compare::TableShape;
use crate::{QualifiedName, Side, quote_ident};

/// A column and a sequence that it takes values from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceUser {
    /// The table.
    pub table: QualifiedName,
    /// Its column.
    pub column: String,
    /// The sequence.
    pub sequence: QualifiedName,
}

/// A column that takes its values from sequences of other names on the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceMismatch {
    /// The table.
    pub table: QualifiedName,
    /// Its column.
    pub column: String,
    /// Its sequences where rows are replicated from.
    pub provider: BTreeSet<QualifiedName>,
    /// Its sequences where they are replicated to.
    pub subscriber: BTreeSet<QualifiedName>,
}

type Users<'a> = BTreeMap<(&'a QualifiedName, &'a str), BTreeSet<QualifiedName>>;

fn by_column(users: &[SequenceUser]) -> Users<'_> {
    let mut all = Users::new();
    for one in users {
        let sequences = all.entry((&one.table, one.column.as_str())).or_default();
        sequences.insert(one.sequence.clone());
    }
    all
}

/// The columns of the subscriber that take their values from sequences of other names; also those whose sequence was dropped on the
/// provider, of its tables `known`: one of that name that was created again is not what the subscriber's column goes on with. What the
/// subscriber's columns lack is another precondition.
pub fn sequence_mismatches(
    provider: &[SequenceUser],
    subscriber: &[SequenceUser],
    known: &[TableShape],
) -> Vec<SequenceMismatch> {
    let here = by_column(provider);
    let has = |(table, column): &(&QualifiedName, &str)| {
        let mut tables = known.iter();
        tables.any(|one| {
            one.schema == table.schema
                && one.name == table.name
                && one.columns.iter().any(|known| known.name == *column)
        })
    };
    by_column(subscriber)
        .into_iter()
        .filter_map(|(column, subscriber)| {
            let provider = match here.get(&column) {
                Some(sequences) => sequences.clone(),
                None => has(&column).then(BTreeSet::new)?,
            };
            (provider != subscriber).then(|| SequenceMismatch {
                table: column.0.clone(),
                column: column.1.to_owned(),
                provider,
                subscriber,
            })
        })
        .collect()
}

/// What was found, and what helps; rows are replicated from `from`.
pub fn said(all: &[SequenceMismatch], from: Side) -> (String, String) {
    let to = from.other();
    let list = |names: &BTreeSet<QualifiedName>| {
        if names.is_empty() {
            return "none".to_owned();
        }
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    let each: Vec<String> = all
        .iter()
        .map(|one| {
            format!(
                "{}.{} ({} on the {from}, {} on the {to})",
                one.table,
                crate::name::show_ident(&one.column),
                list(&one.provider),
                list(&one.subscriber)
            )
        })
        .collect();
    let same = match exchange(all) {
        Some(statements) => format!(
            "on the {to}: {READ_WRITE}; BEGIN; {}; COMMIT",
            statements.join("; ")
        ),
        None => format!(
            "make the same change on the {to} (ALTER SEQUENCE … RENAME TO, ALTER TABLE … ALTER COLUMN … SET DEFAULT)"
        ),
    };
    (
        format!(
            "sequences are set by name, and columns take their values from others: {}",
            some_of(&each)
        ),
        format!("{same}; or take the change back on the {from}"),
    )
}

/// The statements that give the subscriber's sequences the names that the provider's have, where they have exchanged them
/// within their schemas.
fn exchange(all: &[SequenceMismatch]) -> Option<Vec<String>> {
    let mut names: BTreeMap<&QualifiedName, &QualifiedName> = BTreeMap::new();
    for one in all {
        if one.provider.len() != 1 || one.subscriber.len() != 1 {
            return None;
        }
        let (wanted, now) = (one.provider.first()?, one.subscriber.first()?);
        if wanted.schema != now.schema || names.insert(now, wanted).is_some_and(|w| w != wanted) {
            return None;
        }
    }
    let before: BTreeSet<&QualifiedName> = names.keys().copied().collect();
    let after: BTreeSet<&QualifiedName> = names.values().copied().collect();
    if before != after {
        return None;
    }
    let rename = |from: &QualifiedName, to: &str| {
        format!(
            "ALTER SEQUENCE {} RENAME TO {}",
            from.sql(),
            quote_ident(to)
        )
    };
    let between = |at: usize, now: &QualifiedName| {
        QualifiedName::new(&now.schema, format!("pgl_exchange_{at}"))
    };
    let away = (names.keys().enumerate()).map(|(at, now)| rename(now, &between(at, now).name));
    let there =
        (names.iter().enumerate()).map(|(at, (now, to))| rename(&between(at, now), &to.name));
    Some(away.chain(there).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::setup::compare::ColumnShape;

    fn name(name: &str) -> QualifiedName {
        QualifiedName::new("s", name)
    }

    fn users(all: &[(&str, &str)]) -> Vec<SequenceUser> {
        all.iter()
            .map(|(table, sequence)| SequenceUser {
                table: name(table),
                column: "no".to_owned(),
                sequence: name(sequence),
            })
            .collect()
    }

    pub(in crate::cutover) fn odd() -> SequenceMismatch {
        SequenceMismatch {
            table: name("t"),
            column: "odd".to_owned(),
            provider: BTreeSet::from([name("a")]),
            subscriber: BTreeSet::from([name("b")]),
        }
    }

    #[test]
    fn names_that_were_exchanged_are_given_to_the_other_side_too() {
        let before = users(&[("t", "a"), ("u", "b"), ("v", "c"), ("w", "d")]);
        let now = users(&[("t", "b"), ("u", "c"), ("v", "a"), ("w", "d"), ("x", "a")]);
        assert!(sequence_mismatches(&before, &before, &[]).is_empty());
        let found = sequence_mismatches(&now, &before, &[]);
        let (what, hint) = said(&found, Side::Source);
        assert!(
            what.contains("s.t.no (s.b on the source, s.a on the target)"),
            "{what}"
        );
        assert!(
            !what.contains("s.w") && !what.contains("s.x"),
            "{what}: as before, or on one side alone"
        );
        let statements: Vec<&str> = hint
            .split("; ")
            .filter(|s| s.starts_with("ALTER"))
            .collect();
        assert_eq!(
            statements,
            [
                r#"ALTER SEQUENCE "s"."a" RENAME TO "pgl_exchange_0""#,
                r#"ALTER SEQUENCE "s"."b" RENAME TO "pgl_exchange_1""#,
                r#"ALTER SEQUENCE "s"."c" RENAME TO "pgl_exchange_2""#,
                r#"ALTER SEQUENCE "s"."pgl_exchange_0" RENAME TO "b""#,
                r#"ALTER SEQUENCE "s"."pgl_exchange_1" RENAME TO "c""#,
                r#"ALTER SEQUENCE "s"."pgl_exchange_2" RENAME TO "a""#,
            ]
        );
    }

    #[test]
    fn a_column_that_has_lost_its_sequence_counts_where_it_is_still_there() {
        let before = users(&[("t", "a")]);
        let mut known = vec![TableShape {
            schema: "s".to_owned(),
            name: "t".to_owned(),
            relkind: "r".to_owned(),
            bounds: None,
            columns: Vec::new(),
        }];
        assert!(sequence_mismatches(&[], &before, &known).is_empty());
        known[0].columns.push(ColumnShape {
            name: "no".to_owned(),
            type_name: "bigint".to_owned(),
            built_in: true,
            not_null: false,
            has_default: false,
            generated: false,
        });
        let found = sequence_mismatches(&[], &before, &known);
        let (what, _) = said(&found, Side::Source);
        assert!(
            what.contains("s.t.no (none on the source, s.a on the target)"),
            "{what}"
        );
    }

    #[test]
    fn what_is_no_exchange_gets_no_statements() {
        let before = users(&[("t", "a"), ("u", "b")]);
        for now in [
            users(&[("t", "b"), ("u", "b")]),
            users(&[("t", "new"), ("u", "b")]),
            users(&[("t", "a"), ("t", "b"), ("u", "a")]),
        ] {
            let found = sequence_mismatches(&now, &before, &[]);
            let (what, hint) = said(&found, Side::Target);
            assert!(what.contains("s.t.no"), "{what}");
            assert!(
                hint.starts_with("make the same change on the source"),
                "{hint}"
            );
        }
    }
}
