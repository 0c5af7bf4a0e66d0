//! What the target computes for stored generated columns of the source, from sampled rows of it.

use serde::{Deserialize, Serialize};

use super::{Facts, NotRun};

/// The database that is connected to in place of one that does not exist yet.
pub const STAND_IN: &str = "postgres";
/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// A stored generated column of a table that is carried, and what was found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratedColumn {
    /// Its relation on the source.
    pub relation: u32,
    /// Name.
    pub name: String,
    /// `format_type(atttypid, atttypmod)`.
    pub type_name: String,
    /// `pg_get_expr(adbin, adrelid)`.
    pub expression: String,
    /// A column that the expression reads and that an UPDATE can set.
    pub base: Option<String>,
    /// What the target computes.
    pub evaluation: Evaluation,
}

/// The target's values of an expression, for rows of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Evaluation {
    /// They were compared with the source's.
    Compared {
        /// Rows.
        rows: usize,
        /// Rows with another value on the target.
        different: usize,
        /// One of these: the source's value and the target's, shortened.
        example: Option<(String, String)>,
    },
    /// The target cannot compute them.
    Failed {
        /// The server's message with its SQLSTATE.
        message: String,
    },
    /// They were not computed.
    NotTried {
        /// Why.
        reason: String,
    },
}

impl Facts {
    /// Whether the database that was connected to computes what the target database will. One that does not exist yet is
    /// made with the source's encoding and locale.
    pub fn computes_as_target(&self) -> Result<(), NotRun> {
        let target = self.target()?;
        if target.stood_in {
            let from = self.source.server.database()?;
            let mut databases = target.server.databases.get()?.iter();
            let other = databases.find(|one| one.name == STAND_IN);
            if other.is_none_or(|to| {
                from.encoding != to.encoding || !from.locale_differences(to).is_empty()
            }) {
                return Err(NotRun(format!(
                    "the target database does not exist, and database {STAND_IN} of its server has another encoding or \
                     locale: run pgl-preflight again when it exists"
                )));
            }
        }
        Ok(())
    }
}

impl Default for Evaluation {
    fn default() -> Self {
        Self::Compared {
            rows: 0,
            different: 0,
            example: None,
        }
    }
}

impl Evaluation {
    /// Compares values as text, row by row.
    pub fn compare(source: &[Option<String>], target: &[Option<String>]) -> Self {
        let pairs = source.iter().zip(target);
        let mut different = pairs.filter(|(one, two)| one != two);
        let first = different.next();
        Self::Compared {
            rows: source.len(),
            different: usize::from(first.is_some()) + different.count(),
            example: first.map(|(one, two)| {
                let same = common(one.as_deref(), two.as_deref());
                (shown(one.as_deref(), same), shown(two.as_deref(), same))
            }),
        }
    }
}

/// How many characters both begin with.
fn common(one: Option<&str>, two: Option<&str>) -> usize {
    let (one, two) = (one.unwrap_or_default(), two.unwrap_or_default());
    let pairs = one.chars().zip(two.chars());
    pairs.take_while(|(one, two)| one == two).count()
}

/// A value around its first difference.
fn shown(value: Option<&str>, same: usize) -> String {
    let Some(value) = value else {
        return "NULL".to_owned();
    };
    let skipped = same.saturating_sub(SHOWN / 3);
    let part: String = value.chars().skip(skipped).take(SHOWN).collect();
    let before = if skipped > 0 { "..." } else { "" };
    let after = if value.chars().count() > skipped + SHOWN {
        "..."
    } else {
        ""
    };
    format!("<{before}{part}{after}>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::server::DatabaseInfo;
    use crate::rules::testing::{clean, known, target};

    #[test]
    fn another_database_computes_as_the_target_will_where_its_locale_is_the_sources() {
        let mut facts = clean();
        assert_eq!(facts.computes_as_target(), Ok(()));
        target(&mut facts).stood_in = true;
        assert!(facts.computes_as_target().is_err());
        let like_source = DatabaseInfo {
            name: STAND_IN.to_owned(),
            ..facts.source.server.database().unwrap().clone()
        };
        let databases = known(&mut target(&mut facts).server.databases);
        databases.retain(|one| one.name != STAND_IN);
        databases.push(like_source);
        assert_eq!(facts.computes_as_target(), Ok(()));
        for change in [
            |one: &mut DatabaseInfo| one.ctype = "tr_TR.UTF-8".to_owned(),
            |one: &mut DatabaseInfo| one.encoding = "LATIN1".to_owned(),
        ] {
            let mut facts = facts.clone();
            known(&mut target(&mut facts).server.databases)
                .iter_mut()
                .filter(|one| one.name == STAND_IN)
                .for_each(change);
            assert!(facts.computes_as_target().is_err());
        }
    }

    #[test]
    fn the_example_shows_where_the_values_differ() {
        let texts = |all: &[Option<&str>]| -> Vec<Option<String>> {
            all.iter().map(|one| one.map(str::to_owned)).collect()
        };
        let (long, other) = ("a".repeat(100) + "b", "a".repeat(100) + "c");
        let more = format!("{}{}", "x".repeat(10), "y".repeat(100));
        for (source, target, expected) in [
            (
                &[Some("'ad':1")][..],
                &[Some("'add':1")][..],
                Some((1, "<'ad':1>", "<'add':1>")),
            ),
            (&[None, Some("a")], &[None, Some("a")], None),
            (
                &[None, Some("a"), None],
                &[Some(""), Some("b"), None],
                Some((2, "NULL", "<>")),
            ),
            (
                &[Some(&long)],
                &[Some(&other)],
                Some((
                    1,
                    "<...aaaaaaaaaaaaaaaaaaaab>",
                    "<...aaaaaaaaaaaaaaaaaaaac>",
                )),
            ),
            (
                &[Some(&more)],
                &[None],
                Some((1, &*format!("<{}...>", &more[..60]), "NULL")),
            ),
        ] {
            let (source, target) = (texts(source), texts(target));
            let (different, example) = match expected {
                Some((count, one, two)) => (count, Some((one.to_owned(), two.to_owned()))),
                None => (0, None),
            };
            let rows = source.len();
            assert_eq!(
                Evaluation::compare(&source, &target),
                Evaluation::Compared {
                    rows,
                    different,
                    example
                }
            );
        }
    }
}
