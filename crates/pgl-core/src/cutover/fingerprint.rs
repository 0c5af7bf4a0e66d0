//! What the preconditions were checked on, to be compared again under the locks: each table of the plan, and how
//! much there is of each kind of definition. DDL in between is found without reading the definitions again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Lsn;
use crate::{QualifiedName, Side, plural};

/// A table of the plan as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMark {
    /// The table.
    pub table: QualifiedName,
    /// Its OID; null where it does not exist.
    pub oid: Option<u32>,
    /// The file that holds its rows: another one after TRUNCATE, SET LOGGED and whatever else rewrites it.
    pub filenode: Option<u32>,
    /// `relpersistence`.
    pub persistence: Option<String>,
    /// `relreplident`.
    pub replica_identity: Option<String>,
    /// What is another text after each change of what decides which changes are replicated, and where to, also after one that was taken
    /// back: the replica identity, membership in replication sets, columns.
    #[serde(default)]
    pub identity: Option<String>,
    /// Replication sets that it is in, by its OID.
    #[serde(default)]
    pub sets: Vec<String>,
    /// Only in what is kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
}

/// The labels of enums and the attributes of composite types that the columns of a table have, by what stays when one is
/// renamed. The rows of a table whose labels are renamed mean something else, and nothing of that is replicated.
pub type Labels = BTreeMap<String, String>;

/// Rows of a catalog, without temporary objects and our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogMark {
    /// `pg_class` and the like.
    pub catalog: String,
    /// How many rows there are.
    pub rows: u64,
    /// A sum over the transactions that wrote them.
    pub mark: String,
}

/// Everything of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// The tables of the plan.
    pub tables: Vec<TableMark>,
    /// The catalogs.
    pub catalogs: Vec<CatalogMark>,
    /// pglogical's catalogs of replication sets. Where these marks and those of the catalogs are the same, the tables are.
    pub sets: Vec<CatalogMark>,
    /// A transaction that had not begun then: what is younger came later.
    pub horizon: String,
}

/// The marks that pgl-setup keeps, to find tables whose changes since the copy may not all have been replicated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMarks {
    /// When the source's statistics were reset; they count from then on.
    #[serde(default)]
    pub stats_reset: Option<String>,
    /// Of a target that is promoted with reverse replication: its LSN just before that.
    #[serde(default)]
    pub lsn: Option<Lsn>,
    /// The timeline of the server that rows are replicated to from then on.
    #[serde(default)]
    pub timeline: Option<u32>,
    /// The tables.
    pub tables: Vec<TableMark>,
}

impl KeptMarks {
    /// Adds the marks of tables, in place of earlier ones where `replace` says so.
    pub fn add(&mut self, tables: Vec<TableMark>, replace: bool) {
        let places: BTreeMap<QualifiedName, usize> = (self.tables.iter().enumerate())
            .map(|(at, one)| (one.table.clone(), at))
            .collect();
        for mark in tables {
            match places
                .get(&mark.table)
                .and_then(|at| self.tables.get_mut(*at))
            {
                Some(one) if replace => *one = mark,
                Some(_) => {}
                None => self.tables.push(mark),
            }
        }
    }
}

fn by_table(marks: &[TableMark]) -> BTreeMap<&QualifiedName, &TableMark> {
    marks.iter().map(|mark| (&mark.table, mark)).collect()
}

fn table_change(before: &TableMark, now: &TableMark) -> Option<&'static str> {
    Some(match (before.oid, now.oid) {
        (Some(_), None) => "was dropped",
        (None, Some(_)) => "was created",
        (Some(one), Some(other)) if one != other => "was dropped and created again",
        _ if before.persistence != now.persistence => "was set LOGGED or UNLOGGED",
        _ if before.filenode != now.filenode => "was truncated or rewritten",
        _ if before.replica_identity != now.replica_identity => "has another replica identity",
        _ if before.sets != now.sets => "is in other replication sets",
        _ if before.identity != now.identity => "was altered",
        _ => return None,
    })
}

/// What has changed on `side`, as sentences; empty where nothing has.
pub fn changes(side: Side, before: &Fingerprint, now: &Fingerprint) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let known = by_table(&before.tables);
    for one in &now.tables {
        if let Some(what) = known
            .get(&one.table)
            .and_then(|known| table_change(known, one))
        {
            found.push(format!("{side} table {} {what}", one.table));
        }
    }
    // A catalog without rows has no mark.
    let by_catalog = |print: &Fingerprint| -> BTreeMap<String, (u64, String)> {
        (print.catalogs.iter())
            .map(|one| (one.catalog.clone(), (one.rows, one.mark.clone())))
            .collect()
    };
    let (before, now) = (by_catalog(before), by_catalog(now));
    let catalogs: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for catalog in catalogs {
        let none = (0, String::new());
        let known = before.get(catalog).unwrap_or(&none);
        let one = now.get(catalog).unwrap_or(&none);
        if known.0 != one.0 {
            found.push(format!(
                "{side} catalog {catalog} has {} instead of {}",
                plural(one.0, "row"),
                known.0
            ));
        } else if known != one {
            found.push(format!("rows of {side} catalog {catalog} changed"));
        }
    }
    found
}

/// Why changes of a table since its copy may not have been replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is another table, or has another file: an unlogged table writes nothing to the WAL.
    Rewritten,
    /// Its replica identity may have been another one for a while, or none: an UPDATE of the key, or any DELETE, was then
    /// written to the WAL without the key that the target looks for. Or it was in no replication set, or columns, enum labels or
    /// attributes of a composite type have got other names.
    Identity,
}

/// Tables that are not as they were when their rows were copied.
pub fn doubtful(
    kept: &KeptMarks,
    now: &[TableMark],
    labels: &BTreeMap<QualifiedName, Labels>,
) -> Vec<(QualifiedName, Doubt)> {
    let kept = by_table(&kept.tables);
    now.iter()
        .filter_map(|one| {
            let known = kept.get(&one.table)?;
            // A label that is new is in no row that was copied.
            let renamed = || {
                let labels = labels.get(&one.table);
                let is = |id| labels.and_then(|all| all.get(id));
                (known.labels.iter()).any(|(id, name)| is(id) != Some(name))
            };
            let doubt = match known {
                // Dropped: another precondition.
                _ if one.oid.is_none() => return None,
                _ if known.oid != one.oid || known.filenode != one.filenode => Doubt::Rewritten,
                _ if known.identity != one.identity || renamed() => Doubt::Identity,
                _ => return None,
            };
            Some((one.table.clone(), doubt))
        })
        .collect()
}

/// Tables that are not in the replication set of the plan, `wanted`: by name they are there, and yet nothing of them is
/// replicated after they were dropped and created again.
pub fn not_members(wanted: &[(QualifiedName, &str)], now: &[TableMark]) -> Vec<String> {
    let now = by_table(now);
    let is_in = |table: &QualifiedName, set: &str| {
        now.get(table)
            .is_some_and(|one| one.sets.iter().any(|is| is == set))
    };
    wanted
        .iter()
        .filter(|(table, set)| !is_in(table, set))
        .map(|(table, set)| format!("{table} (set {set})"))
        .collect()
}

/// How the rows of tables without a replica identity are compared, whose UPDATE and DELETE are not replicated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnkeyedChecks {
    /// Every row is compared under the locks.
    pub content: Vec<QualifiedName>,
    /// The statistics are read again after all sessions have ended: they must count no UPDATE and no DELETE.
    pub counters: Vec<QualifiedName>,
}

/// Splits the tables: every row is compared up to `budget` bytes, smallest first, and beyond where the statistics cannot
/// be relied on.
pub fn unkeyed_checks(
    tables: Vec<super::Sized>,
    budget: u64,
    counters_reliable: bool,
) -> UnkeyedChecks {
    let (mut content, rest) = super::within_budget(tables, budget);
    if counters_reliable {
        return UnkeyedChecks {
            content,
            counters: rest,
        };
    }
    content.extend(rest);
    UnkeyedChecks {
        content,
        counters: Vec::new(),
    }
}

/// Whether the source's statistics count every change since the copy: from 15 on a session adds its changes to
/// shared memory before it is gone, and after a crash they begin anew, which `stats_reset` shows.
pub fn counters_reliable(
    version_15: bool,
    track_counts: bool,
    kept: Option<&KeptMarks>,
    stats_reset: Option<&str>,
) -> bool {
    version_15
        && track_counts
        && kept.is_some_and(|kept| kept.stats_reset.as_deref() == stats_reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(name: &str, oid: Option<u32>) -> TableMark {
        TableMark {
            table: QualifiedName::new("s", name),
            oid,
            filenode: oid,
            persistence: Some("p".to_owned()),
            replica_identity: Some("d".to_owned()),
            identity: Some("700 16390".to_owned()),
            sets: vec!["default".to_owned()],
            labels: Labels::new(),
        }
    }

    fn catalog(name: &str, rows: u64, sum: &str) -> CatalogMark {
        CatalogMark {
            catalog: name.to_owned(),
            rows,
            mark: sum.to_owned(),
        }
    }

    fn print() -> Fingerprint {
        Fingerprint {
            tables: vec![mark("t", Some(7)), mark("u", Some(8))],
            catalogs: vec![catalog("pg_class", 10, "99"), catalog("pg_proc", 3, "5")],
            sets: Vec::new(),
            horizon: "1".to_owned(),
        }
    }

    #[test]
    fn every_change_of_a_table_is_named() {
        type Change = fn(&mut TableMark);
        let all: [(&str, Change); 7] = [
            ("was dropped", |t| t.oid = None),
            ("was dropped and created again", |t| t.oid = Some(9)),
            ("was set LOGGED or UNLOGGED", |t| {
                t.persistence = Some("u".to_owned());
            }),
            ("was truncated or rewritten", |t| t.filenode = Some(9)),
            ("has another replica identity", |t| {
                t.replica_identity = Some("f".to_owned());
            }),
            ("is in other replication sets", |t| t.sets.clear()),
            ("was altered", |t| t.identity = Some("701 16390".to_owned())),
        ];
        for (what, change) in all {
            let mut now = print();
            change(&mut now.tables[0]);
            assert_eq!(
                changes(Side::Source, &print(), &now),
                [format!("source table s.t {what}")]
            );
        }
        let mut before = print();
        before.tables[0] = mark("t", None);
        assert_eq!(
            changes(Side::Source, &before, &print()),
            ["source table s.t was created"]
        );
    }

    #[test]
    fn a_later_reading_of_the_same_is_no_change_and_another_sum_is() {
        let mut now = print();
        now.horizon = "5".to_owned();
        assert!(changes(Side::Source, &print(), &now).is_empty());
        now.catalogs[0].mark = "100".to_owned();
        now.catalogs[1].rows = 4;
        assert_eq!(
            changes(Side::Source, &print(), &now),
            [
                "rows of source catalog pg_class changed",
                "source catalog pg_proc has 4 rows instead of 3"
            ]
        );
    }

    #[test]
    fn a_table_with_another_file_or_replica_identity_is_doubtful_and_a_new_one_is_not() {
        let kept = KeptMarks {
            lsn: None,
            timeline: None,
            stats_reset: None,
            tables: vec![mark("t", Some(7)), mark("u", Some(8))],
        };
        let mut now = vec![mark("t", Some(7)), mark("u", None), mark("new", Some(1))];
        assert!(doubtful(&kept, &now, &BTreeMap::new()).is_empty());
        let t = QualifiedName::new("s", "t");
        now[0].identity = Some("700 16400".to_owned());
        assert_eq!(
            doubtful(&kept, &now, &BTreeMap::new()),
            [(t.clone(), Doubt::Identity)]
        );
        now[0].filenode = Some(70);
        assert_eq!(
            doubtful(&kept, &now, &BTreeMap::new()),
            [(t.clone(), Doubt::Rewritten)]
        );
        now[0] = mark("t", Some(9));
        assert_eq!(
            doubtful(&kept, &now, &BTreeMap::new()),
            [(t, Doubt::Rewritten)]
        );
    }

    #[test]
    fn a_table_whose_labels_have_other_names_is_doubtful() {
        let labels = |all: &[(&str, &str)]| -> Labels {
            (all.iter()
                .map(|(id, name)| ((*id).to_owned(), (*name).to_owned())))
            .collect()
        };
        let t = QualifiedName::new("s", "t");
        let mut known = mark("t", Some(7));
        known.labels = labels(&[("enum 1", "low"), ("enum 2", "high")]);
        let kept = KeptMarks {
            lsn: None,
            timeline: None,
            stats_reset: None,
            tables: vec![known],
        };
        for (now, doubt) in [
            (&[("enum 1", "low"), ("enum 2", "high")][..], false),
            (
                &[("enum 1", "low"), ("enum 2", "high"), ("enum 3", "new")],
                false,
            ),
            (&[("enum 1", "high"), ("enum 2", "low")], true),
            (&[("enum 1", "low")], true),
            (&[], true),
        ] {
            let now = BTreeMap::from([(t.clone(), labels(now))]);
            let found = doubtful(&kept, &[mark("t", Some(7))], &now);
            assert_eq!(!found.is_empty(), doubt, "{now:?}");
        }
    }

    #[test]
    fn marks_that_were_kept_without_the_replica_identity_say_nothing_of_it()
    -> serde_json::Result<()> {
        let mut text = serde_json::to_value(mark("t", Some(7)))?;
        if let Some(fields) = text.as_object_mut() {
            fields.remove("identity");
        }
        let kept = KeptMarks {
            lsn: None,
            timeline: None,
            stats_reset: None,
            tables: vec![serde_json::from_value(text)?],
        };
        let found = doubtful(&kept, &[mark("t", Some(7))], &BTreeMap::new());
        assert_eq!(found, [(QualifiedName::new("s", "t"), Doubt::Identity)]);
        Ok(())
    }

    #[test]
    fn marks_of_the_copy_stay_until_the_rows_are_copied_again() {
        let mut kept = KeptMarks::default();
        kept.add(vec![mark("t", Some(7))], false);
        kept.add(vec![mark("t", Some(8))], false);
        assert_eq!(kept.tables, [mark("t", Some(7))]);
        kept.add(vec![mark("u", Some(5))], false);
        kept.add(vec![mark("u", Some(6))], true);
        assert_eq!(kept.tables, [mark("t", Some(7)), mark("u", Some(6))]);
    }

    #[test]
    fn membership_is_looked_up_by_the_table_that_is_there_now() {
        let t = QualifiedName::new("s", "t");
        let mut now = vec![mark("t", Some(7)), mark("u", Some(8))];
        assert!(not_members(&[(t.clone(), "default")], &now).is_empty());
        assert_eq!(
            not_members(&[(t.clone(), "default_insert_only")], &now),
            ["s.t (set default_insert_only)"]
        );
        now[0].sets.clear();
        assert_eq!(not_members(&[(t, "default")], &now), ["s.t (set default)"]);
    }

    #[test]
    fn large_tables_are_compared_too_unless_the_counters_say_everything() {
        let all = || {
            vec![
                super::super::Sized {
                    table: QualifiedName::new("s", "big"),
                    bytes: 900,
                },
                super::super::Sized {
                    table: QualifiedName::new("s", "small"),
                    bytes: 10,
                },
            ]
        };
        let names = |all: &[QualifiedName]| all.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        let found = unkeyed_checks(all(), 100, true);
        assert_eq!(names(&found.content), ["small"]);
        assert_eq!(names(&found.counters), ["big"]);
        let found = unkeyed_checks(all(), 100, false);
        assert_eq!(names(&found.content), ["small", "big"]);
        assert!(found.counters.is_empty());
    }

    #[test]
    fn counters_say_everything_only_since_the_copy_and_from_15_on() {
        let kept = KeptMarks {
            lsn: None,
            timeline: None,
            stats_reset: Some("then".to_owned()),
            tables: Vec::new(),
        };
        assert!(counters_reliable(true, true, Some(&kept), Some("then")));
        assert!(!counters_reliable(false, true, Some(&kept), Some("then")));
        assert!(!counters_reliable(true, false, Some(&kept), Some("then")));
        assert!(!counters_reliable(true, true, None, Some("then")));
        assert!(!counters_reliable(true, true, Some(&kept), Some("later")));
        assert!(!counters_reliable(true, true, Some(&kept), None));
    }
}
