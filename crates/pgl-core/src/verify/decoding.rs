//! What `test_decoding` says was written: which rows of which tables.
//!
//! One line is one change: `table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2
//! v[text]:'a''b'`. Both the old and the new key count as touched. Values come unquoted where the
//! type is a number, quoted otherwise with quotes doubled; under `standard_conforming_strings = on`
//! backslashes stand for themselves.

use crate::QualifiedName;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedChange {
    /// The tables; several only for TRUNCATE.
    pub tables: Vec<QualifiedName>,
    /// What was done.
    pub what: What,
}

/// What was done, with the tuples that the line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A new row.
    Insert(Tuple),
    /// The old key where the line shows one, and the new row.
    Update(Option<Tuple>, Tuple),
    /// The old key.
    Delete(Tuple),
    /// Everything was touched.
    Truncate,
    /// The line shows no values: the table has no replica identity.
    Unknown,
}

/// Column names and values; a value is none for NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuple(pub Vec<(String, Value)>);

/// A value of a tuple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// The type's output.
    Text(String),
    /// Not in the log: a large value that the statement left alone.
    Unchanged,
}

impl Tuple {
    /// A column's value.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, value)| value)
    }

    /// The text of these columns; none when one of them is not shown.
    pub fn texts(&self, columns: &[String]) -> Option<Vec<Option<String>>> {
        columns
            .iter()
            .map(|column| match self.get(column)? {
                Value::Null => Some(None),
                Value::Text(text) => Some(Some(text.clone())),
                Value::Unchanged => None,
            })
            .collect()
    }
}

/// The line is not what `test_decoding` writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the decoded change at byte {at}: {line:?}")]
pub struct BadLine {
    /// Where reading stopped.
    pub at: usize,
    /// The line, shortened.
    pub line: String,
}

/// Reads one line. None for lines that are no change of a table: BEGIN, COMMIT, messages.
pub fn parse(line: &str) -> Result<Option<DecodedChange>, BadLine> {
    let Some(rest) = line.strip_prefix("table ") else {
        return Ok(None);
    };
    let mut reader = Reader {
        line,
        at: line.len() - rest.len(),
    };
    reader.change().map(Some).ok_or_else(|| BadLine {
        at: reader.at,
        line: line.chars().take(200).collect(),
    })
}

struct Reader<'a> {
    line: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.line.get(self.at..).unwrap_or("")
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.rest().starts_with(text).then(|| self.at += text.len())
    }

    fn change(&mut self) -> Option<DecodedChange> {
        let mut tables = vec![self.table()?];
        while self.take(", ").is_some() {
            tables.push(self.table()?);
        }
        self.take(": ")?;
        let what = if self.take("INSERT:").is_some() {
            self.rows(|tuples| match tuples {
                (None, Some(new)) => Some(What::Insert(new)),
                _ => None,
            })?
        } else if self.take("UPDATE:").is_some() {
            self.rows(|tuples| match tuples {
                (old, Some(new)) => Some(What::Update(old, new)),
                _ => None,
            })?
        } else if self.take("DELETE:").is_some() {
            self.rows(|tuples| match tuples {
                (None, Some(old)) => Some(What::Delete(old)),
                _ => None,
            })?
        } else if self.take("TRUNCATE:").is_some() {
            What::Truncate
        } else {
            return None;
        };
        Some(DecodedChange { tables, what })
    }

    fn rows(
        &mut self,
        make: impl FnOnce((Option<Tuple>, Option<Tuple>)) -> Option<What>,
    ) -> Option<What> {
        if self.rest() == " (no-tuple-data)" {
            return Some(What::Unknown);
        }
        let mut old = None;
        if self.take(" old-key:").is_some() {
            old = Some(self.tuple()?);
            self.take(" new-tuple:")?;
        }
        let new = self.tuple()?;
        self.rest().is_empty().then(|| make((old, Some(new))))?
    }

    fn table(&mut self) -> Option<QualifiedName> {
        let schema = self.identifier(&['.'])?;
        self.take(".")?;
        let name = self.identifier(&[':', ','])?;
        Some(QualifiedName { schema, name })
    }

    /// An identifier as `quote_identifier` writes it; bare ones end before one of `stops`.
    fn identifier(&mut self, stops: &[char]) -> Option<String> {
        if self.take("\"").is_some() {
            return self.quoted('"');
        }
        let end = self.rest().find(stops)?;
        let text = self.rest().get(..end)?.to_owned();
        self.at += end;
        (!text.is_empty()).then_some(text)
    }

    /// The inside of a quoted text up to its end, doubled quotes made single.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut out = String::new();
        loop {
            let end = self.rest().find(quote)?;
            out.push_str(self.rest().get(..end)?);
            self.at += end + 1;
            if self.rest().starts_with(quote) {
                out.push(quote);
                self.at += 1;
            } else {
                return Some(out);
            }
        }
    }

    fn tuple(&mut self) -> Option<Tuple> {
        let mut columns = Vec::new();
        while self.rest().starts_with(' ') && !self.rest().starts_with(" new-tuple:") {
            self.at += 1;
            let name = self.identifier(&['['])?;
            self.take("[")?;
            self.type_name()?;
            self.take("]:")?;
            columns.push((name, self.value()?));
        }
        Some(Tuple(columns))
    }

    /// `format_type()` output: it may hold brackets of arrays and quoted names.
    fn type_name(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        let mut quoted = false;
        for (at, c) in self.rest().char_indices() {
            match c {
                '"' => quoted = !quoted,
                '[' if !quoted => depth += 1,
                ']' if !quoted && depth == 0 => {
                    self.at += at;
                    return Some(());
                }
                ']' if !quoted => depth -= 1,
                _ => {}
            }
        }
        None
    }

    fn value(&mut self) -> Option<Value> {
        for (word, value) in [
            ("null", Value::Null),
            ("unchanged-toast-datum", Value::Unchanged),
        ] {
            let after = self.rest().strip_prefix(word);
            if after.is_some_and(|after| after.is_empty() || after.starts_with(' ')) {
                self.at += word.len();
                return Some(value);
            }
        }
        // Bit strings are written as literals: B'0101'.
        if self.rest().starts_with("B'") {
            self.at += 1;
        }
        if self.take("'").is_some() {
            return self.quoted('\'').map(Value::Text);
        }
        let end = self.rest().find(' ').unwrap_or(self.rest().len());
        let text = self.rest().get(..end)?.to_owned();
        self.at += end;
        Some(Value::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(tuple: &Tuple) -> Vec<(&str, Option<&str>)> {
        tuple
            .0
            .iter()
            .map(|(name, value)| match value {
                Value::Null => (name.as_str(), None),
                Value::Text(text) => (name.as_str(), Some(text.as_str())),
                Value::Unchanged => (name.as_str(), Some("<unchanged>")),
            })
            .collect()
    }

    #[test]
    fn lines_as_the_plugin_writes_them() {
        let line = "table public.t: INSERT: id[integer]:1 v[text]:'it''s [a] b:c' n[numeric]:-1.50 \
                    z[text]:null a[integer[]]:'{1,2}' b[bit varying]:B'0101' ok[boolean]:true \
                    \"Odd \"\"c\"[\"s\".\"my type\"]:'x'";
        let change = parse(line).unwrap().unwrap();
        assert_eq!(change.tables, [QualifiedName::new("public", "t")]);
        let What::Insert(tuple) = change.what else {
            panic!("{change:?}")
        };
        assert_eq!(
            texts(&tuple),
            [
                ("id", Some("1")),
                ("v", Some("it's [a] b:c")),
                ("n", Some("-1.50")),
                ("z", None),
                ("a", Some("{1,2}")),
                ("b", Some("0101")),
                ("ok", Some("true")),
                ("Odd \"c", Some("x"))
            ]
        );
    }

    /// Brackets in a quoted name of a type are not those of an array.
    #[test]
    fn a_type_ends_where_its_name_does() {
        for name in [
            r#""a]b""#,
            r#""a[b"[]"#,
            r#""s"."a]]""[b"[][]"#,
            "integer[]",
        ] {
            let line = format!("table a.b: INSERT: id[{name}]:7 v[text]:'x'");
            let What::Insert(tuple) = parse(&line).unwrap().unwrap().what else {
                panic!("{line}")
            };
            assert_eq!(
                texts(&tuple),
                [("id", Some("7")), ("v", Some("x"))],
                "{line}"
            );
        }
    }

    #[test]
    fn both_keys_of_an_update_count() {
        let line = "table public.\"T.x\": UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 \
                    big[text]:unchanged-toast-datum";
        let change = parse(line).unwrap().unwrap();
        assert_eq!(change.tables, [QualifiedName::new("public", "T.x")]);
        let What::Update(Some(old), new) = change.what else {
            panic!("{change:?}")
        };
        assert_eq!(texts(&old), [("id", Some("1"))]);
        assert_eq!(new.get("big"), Some(&Value::Unchanged));
        assert_eq!(new.texts(&["big".into()]), None);
        assert_eq!(new.texts(&["id".into()]), Some(vec![Some("2".into())]));
    }

    #[test]
    fn deletes_truncates_and_other_lines() {
        let line = "table a.b: DELETE: id[bigint]:7";
        assert!(matches!(
            parse(line).unwrap().unwrap().what,
            What::Delete(_)
        ));
        let line = "table a.b: DELETE: (no-tuple-data)";
        assert_eq!(parse(line).unwrap().unwrap().what, What::Unknown);
        let line = "table a.b, \"c d\".e: TRUNCATE: restart_seqs cascade";
        let change = parse(line).unwrap().unwrap();
        assert_eq!(change.what, What::Truncate);
        assert_eq!(change.tables[1], QualifiedName::new("c d", "e"));
        assert_eq!(parse("BEGIN 123").unwrap(), None);
        assert_eq!(parse("COMMIT 123").unwrap(), None);
        assert!(parse("table a.b: MERGE: id[int]:1").is_err());
        assert!(parse("table a.b: INSERT: id[int]:'unterminated").is_err());
    }

    proptest! {
        /// Whatever the text, what the plugin writes is read back.
        #[test]
        fn any_text_survives(name in "[a-z\"\\[\\]: .']{1,12}", value in ".*", other in any::<i64>()) {
            let line = format!(
                "table s.t: INSERT: \"{}\"[text]:'{}' n[bigint]:{other}",
                name.replace('"', "\"\""),
                value.replace('\'', "''"),
            );
            let change = parse(&line).unwrap().unwrap();
            let What::Insert(tuple) = change.what else { panic!() };
            let number = other.to_string();
            prop_assert_eq!(
                texts(&tuple),
                vec![(name.as_str(), Some(value.as_str())), ("n", Some(number.as_str()))]
            );
        }
    }
}
