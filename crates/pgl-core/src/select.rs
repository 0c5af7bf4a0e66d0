//! Which schemas and tables are meant: patterns in the manner of `pg_dump`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QualifiedName;

/// `--schema`, `--exclude-schema`, `--table`, `--exclude-table`, as given. Empty lists mean
/// everything; an exclusion always wins. `*` stands for any characters, `?` for one; upper case
/// is folded unless in double quotes, as in `pg_dump -t`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Selection {
    /// Schemas to take.
    pub schemas: Vec<String>,
    /// Schemas to leave out.
    pub exclude_schemas: Vec<String>,
    /// Tables to take: `schema.table`, or `table` in any schema.
    pub tables: Vec<String>,
    /// Tables to leave out.
    pub exclude_tables: Vec<String>,
}

impl Selection {
    /// Whether nothing was asked for in particular.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this table (or sequence) is meant.
    pub fn includes(&self, name: &QualifiedName) -> bool {
        self.includes_any(std::slice::from_ref(name))
    }

    /// Whether an object is meant that goes by several names: one of them has to be included, and
    /// none excluded.
    pub fn includes_any(&self, names: &[QualifiedName]) -> bool {
        self.asks_for_any(names) && !names.iter().any(|name| self.excludes(name))
    }

    /// Whether one of these names is asked for, whatever is excluded.
    pub fn asks_for_any(&self, names: &[QualifiedName]) -> bool {
        let any = |patterns: &[String], fits: Match| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| names.iter().any(|name| fits(pattern, name)))
        };
        (self.schemas.is_empty() && self.tables.is_empty())
            || any(&self.schemas, matches_schema)
            || any(&self.tables, matches_qualified)
    }

    /// Whether an exclusion names it.
    pub fn excludes(&self, name: &QualifiedName) -> bool {
        let any = |patterns: &[String], fits: Match| patterns.iter().any(|one| fits(one, name));
        any(&self.exclude_schemas, matches_schema) || any(&self.exclude_tables, matches_qualified)
    }
}

/// Patterns that select nothing. An empty selection is never taken for an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmptySelection {
    /// One option's pattern matches nothing.
    #[error("no table matches {0}")]
    NoMatch(String),
    /// Each pattern matches, but what the exclusions leave is nothing.
    #[error("no table is left by {0}")]
    AllExcluded(String),
}

impl Selection {
    /// Refuses patterns that name nothing among the relations that exist: each pattern of
    /// `--schema` and `--table` has to match, and so has an exclusion without wildcards, because a
    /// misspelt one would let through what was meant to stay behind. Where no pattern was given, a
    /// database without tables is no error.
    pub fn check<'a>(
        &self,
        names: impl IntoIterator<Item = &'a QualifiedName>,
    ) -> Result<(), EmptySelection> {
        if self.is_everything() {
            return Ok(());
        }
        let names: Vec<&QualifiedName> = names.into_iter().collect();
        let wanted: [(&str, &[String], Match); 2] = [
            ("--schema", &self.schemas, matches_schema),
            ("--table", &self.tables, matches_qualified),
        ];
        let excluded: [(&str, &[String], Match); 2] = [
            ("--exclude-schema", &self.exclude_schemas, matches_schema),
            ("--exclude-table", &self.exclude_tables, matches_qualified),
        ];
        for (option, patterns, fits) in wanted.iter().chain(&excluded) {
            for pattern in *patterns {
                let exempt = option.starts_with("--exclude") && has_wildcard(pattern);
                if !exempt && !names.iter().any(|name| fits(pattern, name)) {
                    return Err(EmptySelection::NoMatch(format!("{option} {pattern}")));
                }
            }
        }
        if names.iter().any(|name| self.includes(name)) {
            return Ok(());
        }
        let typed = excluded.iter().flat_map(|(option, patterns, _)| {
            let patterns = patterns.iter();
            patterns.map(move |one| format!("{option} {one}"))
        });
        let typed: Vec<String> = typed.collect();
        Err(EmptySelection::AllExcluded(typed.join(" ")))
    }
}

type Match = fn(&str, &QualifiedName) -> bool;

fn has_wildcard(pattern: &str) -> bool {
    let mut all = all_pieces(pattern).into_iter();
    all.any(|piece| !matches!(piece, Piece::Is(_)))
}

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    Any,
    One,
    Is(char),
}

/// Reads a pattern up to an unquoted dot; returns the pieces and what follows the dot.
fn pieces(pattern: &str) -> (Vec<Piece>, Option<&str>) {
    let mut out = Vec::new();
    let mut quoted = false;
    let mut chars = pattern.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                out.push(Piece::Is('"'));
            }
            '"' => quoted = !quoted,
            '.' if !quoted => return (out, pattern.get(at + 1..)),
            '*' if !quoted => out.push(Piece::Any),
            '?' if !quoted => out.push(Piece::One),
            _ if quoted => out.push(Piece::Is(c)),
            _ => out.extend(c.to_lowercase().map(Piece::Is)),
        }
    }
    (out, None)
}

/// The pieces of a whole pattern. A schema pattern has no second part; a dot in it can only be meant literally.
fn all_pieces(pattern: &str) -> Vec<Piece> {
    let (mut all, mut rest) = pieces(pattern);
    while let Some(more) = rest {
        all.push(Piece::Is('.'));
        let (next, after) = pieces(more);
        all.extend(next);
        rest = after;
    }
    all
}

fn matches(pattern: &str, name: &str) -> bool {
    fits(&all_pieces(pattern), name)
}

fn matches_schema(pattern: &str, name: &QualifiedName) -> bool {
    matches(pattern, &name.schema)
}

fn matches_qualified(pattern: &str, name: &QualifiedName) -> bool {
    match pieces(pattern) {
        (table, None) => fits(&table, &name.name),
        (schema, Some(table)) => fits(&schema, &name.schema) && matches(table, &name.name),
    }
}

/// Wildcard match in linear space, backtracking to the last `*` only.
fn fits(pattern: &[Piece], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                star = Some((p, n));
                p += 1;
            }
            Some(Piece::One) => (p, n) = (p + 1, n + 1),
            Some(Piece::Is(c)) if *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> QualifiedName {
        let (schema, name) = text.split_once('.').unwrap();
        QualifiedName::new(schema, name)
    }

    #[test]
    fn nothing_asked_means_everything() {
        assert!(Selection::default().includes(&table("public.t")));
    }

    #[test]
    fn patterns_are_those_of_pg_dump() {
        let yes = [
            ("t", "public.t"),
            ("t", "other.t"),
            ("public.t*", "public.t1"),
            ("PUBLIC.T", "public.t"),
            ("\"Weird Name\"", "public.Weird Name"),
            ("\"a.b\".t", "a.b.t"),
            ("p?b.*", "pub.x"),
            ("*", "public.t"),
            ("\"q\"\"q\"", "s.q\"q"),
        ];
        for (pattern, name) in yes {
            let name = match pattern {
                "\"a.b\".t" => QualifiedName::new("a.b", "t"),
                _ => table(name),
            };
            assert!(matches_qualified(pattern, &name), "{pattern} {name}");
        }
        let no = [
            ("t", "public.t1"),
            ("\"T\"", "public.t"),
            ("a.t", "b.t"),
            ("t?", "public.t"),
        ];
        for (pattern, name) in no {
            assert!(
                !matches_qualified(pattern, &table(name)),
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn patterns_that_select_nothing_are_refused_by_name() {
        let names = [table("shop.orders"), table("shop.log_1"), table("App.T")];
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let checked = |schemas: &[&str], tables: &[&str], not: &[&str], not_tables: &[&str]| {
            let selection = Selection {
                schemas: own(schemas),
                tables: own(tables),
                exclude_schemas: own(not),
                exclude_tables: own(not_tables),
            };
            selection.check(&names).map_err(|error| error.to_string())
        };
        assert_eq!(checked(&["shop"], &["\"App\".\"T\""], &[], &[]), Ok(()));
        let no = |text: &str| Err(format!("no table matches {text}"));
        assert_eq!(checked(&["shpo"], &[], &[], &[]), no("--schema shpo"));
        assert_eq!(checked(&["shop", "sh?"], &[], &[], &[]), no("--schema sh?"));
        assert_eq!(checked(&[], &["orders", "t"], &[], &[]), no("--table t"));
        assert_eq!(checked(&[], &["order?*"], &[], &[]), Ok(()));
        assert_eq!(checked(&[], &[], &["app"], &[]), no("--exclude-schema app"));
        assert_eq!(
            checked(&[], &[], &[], &["shop.lgo_1"]),
            no("--exclude-table shop.lgo_1")
        );
        assert_eq!(checked(&[], &[], &["tmp*"], &["shop.lgo_*"]), Ok(()));
        assert_eq!(
            checked(&["shop"], &[], &["s*"], &[]),
            Err("no table is left by --exclude-schema s*".to_owned())
        );
        assert_eq!(Selection::default().check(&[]), Ok(()));
        let all = Selection {
            tables: own(&["*"]),
            ..Selection::default()
        };
        assert!(all.check(&[]).is_err());
    }

    #[test]
    fn exclusion_wins() {
        let selection = Selection {
            schemas: vec!["app*".into()],
            tables: vec!["public.keep".into()],
            exclude_tables: vec!["app.log_*".into()],
            ..Selection::default()
        };
        assert!(selection.includes(&table("app.t")));
        assert!(selection.includes(&table("public.keep")));
        assert!(!selection.includes(&table("public.other")));
        assert!(!selection.includes(&table("app.log_1")));
    }
}
