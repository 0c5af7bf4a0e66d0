//! The transaction that the target cannot apply: the first one behind what it has applied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Lsn;

/// A change as the source's decoder tells it, with the transaction that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Peeked {
    /// Transaction id on the source.
    pub xid: String,
    /// Where the transaction's commit ends.
    pub end: Lsn,
    /// Changes of the transaction in all.
    pub changes: u64,
    /// The change, as pglogical's decoder writes it; cut where it is long.
    pub data: String,
}

/// A transaction with its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transaction {
    /// Its id on the source.
    pub xid: String,
    /// Where its commit ends: replication goes on from here when it is left out.
    pub lsn: Lsn,
    /// Its changes in all.
    pub changes: u64,
    /// The first of them.
    pub shown: Vec<Change>,
    /// Tables that the changes shown are of.
    pub tables: Vec<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `insert`, `update`, `delete`, or what the decoder calls it.
    pub action: String,
    /// Its table; null where the decoder's line is cut too early.
    pub table: Option<String>,
    /// The decoder's own line, cut where it is long.
    pub data: String,
}

/// What one look at a target shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// How far it has applied.
    pub position: Option<Lsn>,
    /// The apply worker; none between two attempts.
    pub worker: Option<i32>,
}

/// Whether the target fails, by several looks in order: it does not advance, and its worker goes or
/// is replaced.
pub fn failing(looks: &[Look]) -> bool {
    let stuck = looks
        .windows(2)
        .all(|pair| pair[0].position == pair[1].position);
    let gone = looks.iter().any(|look| look.worker.is_none());
    let replaced = looks
        .windows(2)
        .any(|pair| pair[0].worker != pair[1].worker);
    looks.len() > 1 && stuck && (gone || replaced)
}

impl Transaction {
    /// Of the changes of one transaction.
    pub fn of(peeked: &[Peeked]) -> Option<Self> {
        let first = peeked.first()?;
        let shown: Vec<Change> = peeked.iter().map(|one| Change::of(&one.data)).collect();
        let mut tables: Vec<String> = shown
            .iter()
            .filter_map(|change| change.table.clone())
            .collect();
        tables.sort();
        tables.dedup();
        Some(Self {
            xid: first.xid.clone(),
            lsn: first.end,
            changes: first.changes,
            shown,
            tables,
        })
    }
}

impl Change {
    fn of(data: &str) -> Self {
        let action = match field(data, "action").as_deref() {
            Some("I") => "insert".to_owned(),
            Some("U") => "update".to_owned(),
            Some("D") => "delete".to_owned(),
            Some(other) => other.to_owned(),
            None => "unknown".to_owned(),
        };
        Self {
            action,
            table: relation(data),
            data: data.to_owned(),
        }
    }
}

/// A string field at the head of the line; the line may be cut, so it is no JSON to be parsed.
fn field(data: &str, name: &str) -> Option<String> {
    let rest = data.split_once(&format!("\"{name}\":\""))?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

fn relation(data: &str) -> Option<String> {
    let rest = data.split_once("\"relation\":")?.1;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Vec<String>>();
    match values.next()?.ok()?.as_slice() {
        [schema, name] => Some(crate::QualifiedName::new(schema, name).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(position: u64, worker: Option<i32>) -> Look {
        Look {
            position: Some(Lsn(position)),
            worker,
        }
    }

    #[test]
    fn a_target_that_works_or_waits_does_not_fail() {
        assert!(!failing(&[]));
        assert!(!failing(&[look(1, None)]), "one look shows nothing");
        assert!(!failing(&[look(1, Some(7)), look(1, Some(7))]), "idle");
        assert!(!failing(&[look(1, None), look(2, Some(7))]), "it advances");
        assert!(failing(&[look(1, Some(7)), look(1, None)]));
        assert!(failing(&[look(1, Some(7)), look(1, Some(8))]));
        assert!(failing(&[look(1, None), look(1, None)]));
    }

    #[test]
    fn changes_are_read_from_lines_that_may_be_cut() {
        let peeked = |data: &str| Peeked {
            xid: "500".to_owned(),
            end: Lsn(9),
            changes: 2,
            data: data.to_owned(),
        };
        let all = [
            peeked(r#"{"action":"I","relation":["public","a"],"newtuple":{"id":201,"v":"ba"#),
            peeked(r#"{"action":"D","relation":["S \"x","a],b"],"oldtuple":{}}"#),
            peeked(r#"{"action":"Z","rel"#),
        ];
        let found = Transaction::of(&all).unwrap();
        assert_eq!(found.shown[0].action, "insert");
        assert_eq!(found.tables, [r#""S ""x"."a],b""#, "public.a"]);
        assert_eq!(found.shown[2].action, "Z");
        assert_eq!(found.shown[2].table, None);
        assert_eq!(Transaction::of(&[]), None);
    }
}
