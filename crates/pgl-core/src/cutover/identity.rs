//! Which two databases a migration is between, as pgl-setup has recorded it in both journals: a copy of one of them brings
//! its journal along, and is not the database that the journal is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CutoverRecord;
use crate::Side;

/// One database of one cluster. A physical standby that was promoted has the same; a copy, a restored dump and an
/// upgraded cluster do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseIdentity {
    /// `pg_control_system().system_identifier`; null before 9.6 and where the role may not read it.
    pub system_identifier: Option<String>,
    /// Object id.
    pub oid: u32,
    /// Name.
    pub database: String,
}

impl DatabaseIdentity {
    fn same_cluster(&self, other: &Self) -> Option<bool> {
        let (one, two) = (&self.system_identifier, &other.system_identifier);
        one.as_ref().zip(two.as_ref()).map(|(one, two)| one == two)
    }

    /// Whether both are one database, which may have been renamed; where the cluster is not known, not even that.
    pub fn same(&self, other: &Self) -> bool {
        self.oid == other.oid
            && self
                .same_cluster(other)
                .unwrap_or(self.database == other.database)
    }

    /// Whether the other one is at its place: the same one, or one that was created again under its name.
    fn same_place(&self, other: &Self) -> bool {
        self.same(other)
            || (self.database == other.database && self.same_cluster(other).unwrap_or(true))
    }
}

impl fmt::Display for DatabaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {} (OID {}", self.database, self.oid)?;
        match &self.system_identifier {
            Some(cluster) => write!(f, ", system identifier {cluster})"),
            None => f.write_str(")"),
        }
    }
}

/// The two databases of a migration, as one of them records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityPair {
    /// Which of them this is recorded in.
    pub side: Side,
    /// The source.
    pub source: DatabaseIdentity,
    /// The target.
    pub target: DatabaseIdentity,
}

impl IdentityPair {
    /// One of the two.
    pub fn of(&self, side: Side) -> &DatabaseIdentity {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }
}

/// A database that was given and is not the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityMismatch {
    /// As what it was given.
    pub given: Side,
    /// What it is.
    pub here: DatabaseIdentity,
    /// What the migration's database is.
    pub recorded: DatabaseIdentity,
    /// Which side of the migration that is.
    pub side: Side,
    /// Whether its own journal is about the recorded one.
    pub copy: bool,
}

impl fmt::Display for IdentityMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            given,
            here,
            recorded,
            side,
            copy,
        } = self;
        if *copy {
            write!(
                f,
                "{here}, given as the {given}, is a copy of {recorded}, the {side} of this migration"
            )
        } else {
            write!(
                f,
                "{here}, given as the {given}, is not the {side} of this migration: that is {recorded}"
            )
        }
    }
}

/// What is wrong with the databases that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The one for the other.
    Swapped,
    /// Another one.
    Other(IdentityMismatch),
}

/// Compares what was given with what both journals record; a database that was not read, and a migration that was set up
/// without that record, prove nothing.
pub(super) fn wrong(
    source: Option<&CutoverRecord>,
    target: Option<&CutoverRecord>,
) -> Option<Wrong> {
    let sides = [
        (Side::Source, source, target),
        (Side::Target, target, source),
    ];
    let of = |given: Side, record: Option<&CutoverRecord>| {
        let record = record?;
        Some((given, record.pair.clone()?, record.here.clone()?))
    };
    // A copy first: what its journal says of the other side may hold as well.
    for (given, record, _) in sides {
        if let Some((given, pair, here)) = of(given, record)
            && !pair.of(pair.side).same(&here)
        {
            return Some(Wrong::Other(IdentityMismatch {
                given,
                recorded: pair.of(pair.side).clone(),
                side: pair.side,
                here,
                copy: true,
            }));
        }
    }
    for (given, record, other) in sides {
        let Some((given, pair, here)) = of(given, record) else {
            continue;
        };
        let other = other.and_then(|other| other.here.clone());
        let partner = pair.of(pair.side.other());
        let fits = other.as_ref().is_none_or(|other| partner.same_place(other));
        match (given == pair.side, other) {
            (true, Some(other)) if !fits => {
                return Some(Wrong::Other(IdentityMismatch {
                    given: given.other(),
                    recorded: partner.clone(),
                    side: given.other(),
                    here: other,
                    copy: false,
                }));
            }
            (true, _) => {}
            (false, _) if fits => return Some(Wrong::Swapped),
            (false, _) => {
                return Some(Wrong::Other(IdentityMismatch {
                    given,
                    recorded: pair.of(given).clone(),
                    side: given,
                    here,
                    copy: false,
                }));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(cluster: &str, oid: u32, name: &str) -> DatabaseIdentity {
        DatabaseIdentity {
            system_identifier: (!cluster.is_empty()).then(|| cluster.to_owned()),
            oid,
            database: name.to_owned(),
        }
    }

    fn source() -> DatabaseIdentity {
        database("1", 16384, "app")
    }

    fn target() -> DatabaseIdentity {
        database("2", 16384, "app")
    }

    /// `here` with the journal of one side of the migration.
    fn record(side: Side, here: DatabaseIdentity) -> CutoverRecord {
        CutoverRecord {
            here: Some(here),
            pair: Some(IdentityPair {
                side,
                source: source(),
                target: target(),
            }),
            ..CutoverRecord::default()
        }
    }

    fn bare(here: DatabaseIdentity) -> CutoverRecord {
        CutoverRecord {
            here: Some(here),
            ..CutoverRecord::default()
        }
    }

    fn said(found: Option<Wrong>) -> String {
        match found {
            Some(Wrong::Other(mismatch)) => mismatch.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_pair_that_was_set_up_is_known_also_by_other_names() {
        let s = record(Side::Source, source());
        for t in [
            record(Side::Target, target()),
            record(Side::Target, database("2", 16384, "renamed")),
            // Its journal was dropped; it was created again; its role may not read the control file.
            bare(target()),
            bare(database("2", 17000, "app")),
            bare(database("", 16384, "app")),
            bare(database("", 17000, "app")),
            record(Side::Target, database("", 16384, "app")),
            // Set up before pairs were recorded, or not read.
            CutoverRecord::default(),
        ] {
            assert_eq!(wrong(Some(&s), Some(&t)), None, "{t:?}");
        }
        assert_eq!(wrong(Some(&s), None), None);
        assert_eq!(wrong(None, None), None);
        assert_eq!(wrong(Some(&bare(source())), Some(&bare(target()))), None);
    }

    #[test]
    fn a_copy_is_not_the_database_that_its_journal_is_about() {
        let s = record(Side::Source, source());
        for (copy, name) in [
            (database("2", 16400, "copy"), "copy"),
            (database("3", 16384, "app"), "app"),
            (database("", 16400, "app"), "app"),
        ] {
            let t = record(Side::Target, copy);
            for found in [wrong(Some(&s), Some(&t)), wrong(None, Some(&t))] {
                let said = said(found);
                assert!(
                    said.starts_with(&format!("database {name} (OID"))
                        && said.contains(", given as the target, is a copy of database app (OID 16384, system identifier 2)"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn another_database_is_not_the_partner() {
        let t = record(Side::Target, target());
        let other = database("1", 16500, "other");
        let found = said(wrong(Some(&bare(other.clone())), Some(&t)));
        assert_eq!(
            found,
            "database other (OID 16500, system identifier 1), given as the source, is not the source of this migration: \
             that is database app (OID 16384, system identifier 1)"
        );
        let found = said(wrong(
            Some(&record(Side::Source, source())),
            Some(&bare(other)),
        ));
        assert!(
            found.contains("given as the target, is not the target of this migration"),
            "{found}"
        );
    }

    #[test]
    fn swapped_is_the_pair_and_a_former_target_with_another_one_is_not() {
        let (s, t) = (
            record(Side::Source, source()),
            record(Side::Target, target()),
        );
        assert_eq!(wrong(Some(&t), Some(&s)), Some(Wrong::Swapped));
        assert_eq!(wrong(Some(&t), None), Some(Wrong::Swapped));
        assert_eq!(wrong(Some(&t), Some(&bare(source()))), Some(Wrong::Swapped));
        let found = said(wrong(Some(&t), Some(&bare(database("3", 16384, "app")))));
        assert!(
            found.contains("system identifier 2), given as the source, is not the source of this migration: that is database app (OID 16384, system identifier 1)"),
            "{found}"
        );
    }
}
