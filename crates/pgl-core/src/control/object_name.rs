//! A name as somebody typed it, and the object that it means.

use crate::QualifiedName;

/// `table`, `schema.table`, either part in double quotes where it is not plain lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Schema, where one was typed.
    pub schema: Option<String>,
    /// Name.
    pub name: String,
}

/// Why a name means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not a name.
    #[error(
        "{0:?} is not a name: write schema.name, with double quotes where it is not lower case"
    )]
    Form(String),
    /// There is no such object.
    #[error("there is no {0}")]
    Missing(String),
    /// Several schemas have one.
    #[error("{0} is ambiguous: {1}")]
    Several(String, String),
}

impl Typed {
    /// Reads a name as SQL does: folded to lower case unless quoted.
    ///
    /// # Errors
    /// [`BadName::Form`].
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::Form(text.to_owned());
        let (first, rest) = ident(text).ok_or_else(bad)?;
        if rest.is_empty() {
            return Ok(Self {
                schema: None,
                name: first,
            });
        }
        let rest = rest.strip_prefix('.').ok_or_else(bad)?;
        match ident(rest) {
            Some((name, "")) => Ok(Self {
                schema: Some(first),
                name,
            }),
            _ => Err(bad()),
        }
    }

    /// Whether it can mean this object.
    pub fn means(&self, name: &QualifiedName) -> bool {
        self.name == name.name
            && self
                .schema
                .as_ref()
                .is_none_or(|schema| *schema == name.schema)
    }

    /// The one object of these that is meant.
    ///
    /// # Errors
    /// [`BadName::Missing`] and [`BadName::Several`].
    pub fn resolve<'a>(
        &self,
        all: impl Iterator<Item = &'a QualifiedName>,
    ) -> Result<QualifiedName, BadName> {
        let mut found: Vec<&QualifiedName> = all.filter(|name| self.means(name)).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(BadName::Missing(self.to_string())),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(BadName::Several(self.to_string(), names.join(", ")))
            }
        }
    }
}

impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", crate::name::show_ident(schema))?;
        }
        f.write_str(&crate::name::show_ident(&self.name))
    }
}

/// One identifier and what follows it.
pub(crate) fn ident(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut out = String::new();
        let mut at = 0;
        while let Some(end) = quoted[at..].find('"') {
            out.push_str(&quoted[at..at + end]);
            let after = &quoted[at + end + 1..];
            if after.starts_with('"') {
                out.push('"');
                at += end + 2;
            } else {
                return (!out.is_empty()).then_some((out, after));
            }
        }
        return None;
    }
    let end = text.find('.').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let fits = !word.is_empty() && !word.contains(['"', ' ', '\'', ';', '*', '?']);
    fits.then(|| (word.to_lowercase(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> (Option<String>, String) {
        let typed = Typed::parse(text).unwrap();
        (typed.schema, typed.name)
    }

    #[test]
    fn names_are_read_as_in_sql() {
        let s = |text: &str| text.to_owned();
        assert_eq!(typed("Orders"), (None, s("orders")));
        assert_eq!(typed("Shop.orders"), (Some(s("shop")), s("orders")));
        assert_eq!(typed("\"Sh.op\".\"a\"\"b\""), (Some(s("Sh.op")), s("a\"b")));
        for bad in [
            "", ".", "a.", ".a", "a.b.c", "\"a", "\"\"", "a b", "a*", "\"a\"x",
        ] {
            assert!(Typed::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bare_name_must_mean_one_object() {
        let all = [
            QualifiedName::new("a", "t"),
            QualifiedName::new("b", "t"),
            QualifiedName::new("b", "u"),
        ];
        let resolve = |text: &str| Typed::parse(text).unwrap().resolve(all.iter());
        assert_eq!(resolve("u").unwrap(), all[2]);
        assert_eq!(resolve("b.t").unwrap(), all[1]);
        assert!(matches!(resolve("t"), Err(BadName::Several(..))));
        assert!(matches!(resolve("a.u"), Err(BadName::Missing(..))));
    }
}
