//! Which schemas a function's body needs in its search_path: the objects that it names without one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// An object in a schema of users whose name occurs in a body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NamedObject {
    /// Schema.
    pub schema: String,
    /// Name: of a function, an operator, a relation, a type.
    pub name: String,
    /// Whether it is a function that looks names up itself, by the search_path of its caller.
    pub opaque: bool,
}

/// The schemas of the objects that a body names without a schema; `None` where that cannot be known: another
/// language, statements put together at run time, a name that several schemas have, a function called that has
/// no search_path of its own either.
pub fn needed_schemas(
    language: &str,
    body: &str,
    named: &[NamedObject],
) -> Option<BTreeSet<String>> {
    let body: Vec<char> = body.to_lowercase().chars().collect();
    let dynamic = language == "plpgsql" && place(&body, "execute").is_some();
    if dynamic || !matches!(language, "sql" | "plpgsql") {
        return None;
    }
    let mut places: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for object in named {
        // As it is written in quotes.
        let name = object.name.to_lowercase().replace('"', "\"\"");
        match place(&body, &name) {
            None => {}
            // With a schema before its name or not: what it looks up is found by our path.
            Some(_) if object.opaque => return None,
            Some(Place::Dotted) => {}
            Some(Place::Bare) => {
                places.entry(name).or_default().insert(&object.schema);
            }
        }
    }
    if places.values().any(|schemas| schemas.len() > 1) {
        return None;
    }
    Some(places.into_values().flatten().map(str::to_owned).collect())
}

/// How a body writes a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Only beside a dot: with a schema before it, or as one.
    Dotted,
    /// At least once without.
    Bare,
}

/// How a body writes a name, if it does, upper and lower case alike. What is in quotes, strings and comments counts
/// like anything else: a name in a string may be looked up (`'t'::regclass`), and one schema too many in a
/// search_path does no harm where its names are no other schema's.
fn place(body: &[char], name: &str) -> Option<Place> {
    const OPERATOR: &str = "+-*/<>=~!@#%^&|`?";
    let name: Vec<char> = name.chars().collect();
    let first = name.first()?;
    let operator = OPERATOR.contains(*first);
    // Whether a character beside the name would make another name of it.
    let joins = |c: &char| match operator {
        true => OPERATOR.contains(*c),
        false => c.is_alphanumeric() || matches!(c, '_' | '$'),
    };
    let beside = |c: &&char| !c.is_whitespace() && **c != '"';
    let mut found = None;
    for (at, window) in body.windows(name.len()).enumerate() {
        let (before, after) = (&body[..at], &body[at + name.len()..]);
        if window != name || before.last().is_some_and(joins) || after.first().is_some_and(joins) {
            continue;
        }
        let dotted = before.iter().rev().find(beside) == Some(&'.')
            || after.iter().find(beside) == Some(&'.');
        if !dotted {
            return Some(Place::Bare);
        }
        found = Some(Place::Dotted);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(schema: &str, name: &str) -> NamedObject {
        NamedObject {
            schema: schema.to_owned(),
            name: name.to_owned(),
            opaque: false,
        }
    }

    fn needs(language: &str, body: &str, named: &[NamedObject]) -> Option<Vec<String>> {
        needed_schemas(language, body, named).map(|found| found.into_iter().collect())
    }

    #[test]
    fn names_without_a_schema_need_theirs() {
        let named = [
            object("app", "norm_inner"),
            object("ext", "unaccent"),
            object("App", "Odd \"Name"),
            object("app", "@@@"),
            object("app", "settings"),
        ];
        let one = |body: &str| needs("sql", body, &named);
        assert_eq!(one("SELECT norm_inner($1)"), Some(vec!["app".to_owned()]));
        assert_eq!(one("SELECT NORM_INNER ($1)"), Some(vec!["app".to_owned()]));
        assert_eq!(one("SELECT app.norm_inner($1)"), Some(vec![]));
        assert_eq!(one("SELECT app . norm_inner($1), lower($1)"), Some(vec![]));
        assert_eq!(one("SELECT norm_inner_2($1)"), Some(vec![]));
        assert_eq!(
            one("SELECT \"Odd \"\"Name\"($1)"),
            Some(vec!["App".to_owned()])
        );
        assert_eq!(one("SELECT $1 @@@ 'x'"), Some(vec!["app".to_owned()]));
        assert_eq!(one("SELECT $1 @@@@ 'x'"), Some(vec![]));
        // A quote in a string or a comment begins nothing.
        let hidden = "SELECT 'a\"b' || norm_inner($1) || 'c\"d' -- don't";
        assert_eq!(one(hidden), Some(vec!["app".to_owned()]));
        assert_eq!(one("SELECT $1 OPERATOR(app.@@@) 'x'"), Some(vec![]));
        assert_eq!(
            one("SELECT 'settings'::regclass"),
            Some(vec!["app".to_owned()])
        );
        // As the name of a column's table: its FROM says where that is.
        assert_eq!(one("SELECT settings.v FROM app.settings"), Some(vec![]));
        assert_eq!(
            needs(
                "plpgsql",
                "BEGIN RETURN unaccent(norm_inner($1)); END",
                &named
            ),
            Some(vec!["app".to_owned(), "ext".to_owned()])
        );
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        let named = [object("a", "f"), object("b", "f"), object("a", "g")];
        assert_eq!(needs("sql", "SELECT f($1)", &named), None);
        assert_eq!(
            needs("plpgsql", "BEGIN EXECUTE 'SELECT ' || x; END", &named),
            None
        );
        assert_eq!(needs("plpython3u", "return g(x)", &named), None);
        let opaque = NamedObject {
            opaque: true,
            ..object("a", "h")
        };
        assert_eq!(
            needs("sql", "SELECT h($1)", std::slice::from_ref(&opaque)),
            None
        );
        assert_eq!(needs("sql", "SELECT a.h($1)", &[opaque]), None);
    }
}
