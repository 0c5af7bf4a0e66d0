//! The statements that digest, fetch and show rows.
//!
//! Every function and type is written with its schema, every name quoted. The digest of a row is the
//! exclusive or of a hash of each column, every column with a seed of its own, hashed once more: only then
//! may digests be summed. Without the last step a sum of sums would not see two rows that exchange a value.

use pgl_core::Side;
use pgl_core::verify::canon::Flavour;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::{Column, Pair};
use pgl_core::verify::rows::Place;
use pgl_core::verify::types::RelationInfo;

/// Salts; any constants will do, both servers get the same. Two for digests of rows, one for keys.
const FIRST: u64 = 1;
const SECOND: u64 = 2;
const KEY: u64 = 3;

/// Values longer than this are shown with their middle left out.
const SHOWN: usize = 160;

/// A part of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// First page.
    pub from: u64,
    /// First page that is not part of it; none for the open end.
    pub to: Option<u64>,
}

impl Pages {
    /// Everything.
    pub const ALL: Self = Self { from: 0, to: None };
}

/// What is read of a table on one side.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The table.
    pub pair: &'a Pair,
    /// Which side.
    pub side: Side,
    /// How rows are digested.
    pub digest: Digest,
    /// Number of buckets, a power of two.
    pub buckets: usize,
    /// A condition that rows must meet, as the user wrote it.
    pub condition: Option<&'a str>,
}

impl Reading<'_> {
    fn list<'c>(&self, columns: impl Iterator<Item = &'c Column>, flavour: Flavour) -> String {
        let all: Vec<String> = columns
            .map(|column| column.canon.sql(self.side, flavour))
            .collect();
        all.join(", ")
    }

    /// A 64-bit hash over columns, never NULL. Different salts make unrelated functions.
    fn hashed<'c>(&self, columns: impl Iterator<Item = &'c Column>, salt: u64) -> String {
        let terms: Vec<String> = (0_u64..)
            .zip(columns)
            .map(|(at, column)| column.canon.hash(self.side, salt << 32 | at))
            .collect();
        // A constant, hashed with the whole as its seed: that keeps all 64 bits.
        format!("pg_catalog.hashint4extended(0, {})", combined(&terms))
    }

    /// `md5` of a row image, as text.
    fn md5<'c>(&self, columns: impl Iterator<Item = &'c Column>) -> String {
        let list = self.list(columns, Flavour::Send);
        format!("pg_catalog.md5(pg_catalog.record_send(ROW({list})))")
    }

    /// The hash that names a row's bucket: of the key; of the whole row where there is no key.
    fn key_hash(&self) -> String {
        let keyed = self.pair.key.is_some();
        match (self.digest, keyed) {
            (Digest::Hash, true) => self.hashed(self.pair.key_columns(), KEY),
            (Digest::Hash, false) => self.hashed(self.pair.columns.iter(), FIRST),
            (_, true) => half(&self.md5(self.pair.key_columns()), 1),
            (_, false) => half(&self.md5(self.pair.columns.iter()), 1),
        }
    }

    /// Bytes that identify a row on both sides; NULL where there is no key.
    fn key_image(&self) -> String {
        if self.pair.key.is_none() {
            return "NULL::pg_catalog.bytea".to_owned();
        }
        format!(
            "pg_catalog.record_send(ROW({}))",
            self.list(self.pair.key_columns(), Flavour::Send)
        )
    }

    fn filter(&self, pages: Pages, more: &[String]) -> String {
        let mut all = Vec::new();
        if pages.from > 0 {
            all.push(format!("ctid >= '({},0)'::pg_catalog.tid", pages.from));
        }
        if let Some(to) = pages.to {
            all.push(format!("ctid < '({to},0)'::pg_catalog.tid"));
        }
        if let Some(condition) = self.condition {
            // The line break ends a comment in what the user wrote.
            all.push(format!("({condition}\n)"));
        }
        all.extend_from_slice(more);
        if all.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", all.join(" AND "))
        }
    }

    fn mask(&self) -> usize {
        self.buckets.saturating_sub(1)
    }

    /// Sums by bucket: bucket, count, both sums as text. The second is 0 where one digest is all.
    pub fn sums(&self, relation: &RelationInfo, pages: Pages) -> String {
        let from = from(relation);
        let filter = self.filter(pages, &[]);
        if self.digest == Digest::Counts || self.pair.columns.is_empty() {
            return format!("SELECT 0, pg_catalog.count(*), '0', '0' FROM {from}{filter}");
        }
        let sum = |of: &str| format!("coalesce(pg_catalog.sum({of}), 0)::pg_catalog.text");
        let sums = |first: &str| match self.digest {
            Digest::Hash => format!("pg_catalog.count(*), {}, '0'", sum(first)),
            _ => format!(
                "pg_catalog.count(*), {}, {}",
                sum(&half("r", 1)),
                sum(&half("r", 17))
            ),
        };
        let bucket = |hash: &str| format!("({hash} & {})::pg_catalog.int4", self.mask());
        let key_hash = self.key_hash();
        match (self.digest, self.pair.key.is_some(), self.buckets > 1) {
            (Digest::Hash, _, false) => {
                let row = self.hashed(self.pair.columns.iter(), FIRST);
                format!("SELECT 0, {} FROM {from}{filter}", sums(&row))
            }
            (Digest::Hash, true, true) => {
                let row = self.hashed(self.pair.columns.iter(), FIRST);
                let (bucket, sums) = (bucket(&key_hash), sums(&row));
                format!("SELECT {bucket}, {sums} FROM {from}{filter} GROUP BY 1")
            }
            // OFFSET 0 keeps the planner from computing what the inner query gives more than once.
            (Digest::Hash, false, true) => format!(
                "SELECT {}, {} FROM (SELECT {key_hash} AS r FROM {from}{filter} OFFSET 0) AS q \
                 GROUP BY 1",
                bucket("r"),
                sums("r"),
            ),
            (_, _, false) => format!(
                "SELECT 0, {} FROM (SELECT {} AS r FROM {from}{filter} OFFSET 0) AS q",
                sums(""),
                self.md5(self.pair.columns.iter())
            ),
            (_, keyed, true) => {
                let more = if keyed {
                    format!(", {key_hash} AS k")
                } else {
                    String::new()
                };
                let hash = if keyed { "k".to_owned() } else { half("r", 1) };
                format!(
                    "SELECT {}, {} FROM (SELECT {} AS r{more} FROM {from}{filter} OFFSET 0) AS q \
                     GROUP BY 1",
                    bucket(&hash),
                    sums(""),
                    self.md5(self.pair.columns.iter())
                )
            }
        }
    }

    /// Both digests of each row as `first` and `second`, and what else is wanted: expressions with
    /// the names that they get.
    fn digested(&self, from: &str, filter: &str, more: &[(String, &str)]) -> String {
        let extra: String = more
            .iter()
            .map(|(expression, name)| format!(", {expression} AS {name}"))
            .collect();
        if self.digest == Digest::Hash {
            let [first, second] =
                [FIRST, SECOND].map(|salt| self.hashed(self.pair.columns.iter(), salt));
            return format!(
                "SELECT {first} AS first, {second} AS second{extra} FROM {from}{filter}"
            );
        }
        let names: String = more.iter().map(|(_, name)| format!(", {name}")).collect();
        format!(
            "SELECT {} AS first, {} AS second{names} FROM (SELECT {} AS r{extra} FROM \
             {from}{filter} OFFSET 0) AS p",
            half("r", 1),
            half("r", 17),
            self.md5(self.pair.columns.iter())
        )
    }

    /// Rows of some buckets through binary COPY: key bytes, both digests, place.
    pub fn rows(&self, relation: &RelationInfo, pages: Pages, buckets: Option<&[u32]>) -> String {
        let from = from(relation);
        let mut more = Vec::new();
        if let Some(buckets) = buckets {
            let list: Vec<String> = buckets.iter().map(u32::to_string).collect();
            more.push(format!(
                "({} & {}) = ANY ('{{{}}}'::pg_catalog.int8[])",
                self.key_hash(),
                self.mask(),
                list.join(",")
            ));
        }
        self.copy_rows(&from, &self.filter(pages, &more))
    }

    /// Rows with some keys, given as arrays of each key column's text.
    pub fn rows_by_key(&self, relation: &RelationInfo, keys: &[Vec<Option<String>>]) -> String {
        let condition = self.key_condition(keys);
        self.copy_rows(&from(relation), &self.filter(Pages::ALL, &[condition]))
    }

    /// `(a, b) IN (…)` over texts cast to the columns' types: an index serves it.
    fn key_condition(&self, keys: &[Vec<Option<String>>]) -> String {
        let columns: Vec<&Column> = self.pair.key_columns().collect();
        let names: Vec<String> = columns
            .iter()
            .map(|c| c.canon.column().to_owned())
            .collect();
        let arrays: Vec<String> = (0..columns.len())
            .map(|at| text_array(keys.iter().map(|key| key.get(at).cloned().flatten())))
            .collect();
        let aliases: Vec<String> = (0..columns.len()).map(|at| format!("k{at}")).collect();
        let casts: Vec<String> = columns
            .iter()
            .zip(&aliases)
            .map(|(column, alias)| format!("{alias}::{}", column.type_sql(self.side)))
            .collect();
        format!(
            "({}) IN (SELECT {} FROM ROWS FROM ({}) AS u({}))",
            names.join(", "),
            casts.join(", "),
            arrays
                .iter()
                .map(|array| format!("pg_catalog.unnest({array})"))
                .collect::<Vec<_>>()
                .join(", "),
            aliases.join(", ")
        )
    }

    /// Rows given as texts of all columns, in the form of [`Self::rows`], or of [`Self::whole`] where the client hashes;
    /// the place is the number in the list. Each text is read by the type's input function, as a decoded change or
    /// pglogical's own text would be.
    pub fn given(&self, rows: &[Vec<Option<String>>]) -> String {
        let column = |column: &Column| column.canon.column().to_owned();
        let names: Vec<String> = self.pair.columns.iter().map(column).collect();
        let mut number = "n".to_owned();
        while self.pair.columns.iter().any(|c| c.name == number) {
            number.push('n');
        }
        let list: Vec<String> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| {
                let values: String = self
                    .pair
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(column, info)| {
                        let text = row.get(column).and_then(Option::as_deref);
                        let literal =
                            text.map_or_else(|| "NULL".to_owned(), pgl_core::quote_literal);
                        format!(", {literal}::{}", info.type_sql(self.side))
                    })
                    .collect();
                format!("('({at},1)'::pg_catalog.tid{values})")
            })
            .collect();
        let names: String = names.iter().map(|name| format!(", {name}")).collect();
        let from = format!("(VALUES {}) AS given ({number}{names})", list.join(", "));
        if self.digest == Digest::Client {
            return self.copy_columns(&number, &from, "");
        }
        let more = [(self.key_image(), "key"), (number, "place")];
        format!(
            "COPY (SELECT key, first, second, place FROM ({}) AS q) TO STDOUT (FORMAT binary)",
            self.digested(&from, "", &more)
        )
    }

    fn copy_rows(&self, from: &str, filter: &str) -> String {
        let more = [(self.key_image(), "key"), ("ctid".to_owned(), "place")];
        format!(
            "COPY (SELECT key, first, second, place FROM ({}) AS q) TO STDOUT (FORMAT binary)",
            self.digested(from, filter, &more)
        )
    }

    /// Everything of each row through binary COPY, for digests made by the client: place, the
    /// key's columns, all columns.
    pub fn whole(&self, relation: &RelationInfo, pages: Pages) -> String {
        self.copy_whole(relation, &self.filter(pages, &[]))
    }

    /// The same for rows with some keys.
    pub fn whole_by_key(&self, relation: &RelationInfo, keys: &[Vec<Option<String>>]) -> String {
        let condition = self.key_condition(keys);
        self.copy_whole(relation, &self.filter(Pages::ALL, &[condition]))
    }

    fn copy_whole(&self, relation: &RelationInfo, filter: &str) -> String {
        self.copy_columns("ctid", &from(relation), filter)
    }

    fn copy_columns(&self, place: &str, from: &str, filter: &str) -> String {
        let mut list = vec![place.to_owned()];
        let key = self.list(self.pair.key_columns(), Flavour::Send);
        let all = self.list(
            self.pair.columns.iter().filter(|column| {
                !self
                    .pair
                    .key
                    .iter()
                    .flatten()
                    .any(|name| *name == column.name)
            }),
            Flavour::Send,
        );
        list.extend([key, all].into_iter().filter(|part| !part.is_empty()));
        format!(
            "COPY (SELECT {} FROM {from}{filter}) TO STDOUT (FORMAT binary)",
            list.join(", ")
        )
    }

    /// Digest, text and length of every column of the rows at some places.
    pub fn details(&self, relation: &RelationInfo, places: &[Place]) -> String {
        let digest = |column: &Column| {
            let image = format!(
                "pg_catalog.record_send(ROW({}))",
                column.canon.sql(self.side, Flavour::Send)
            );
            match self.digest {
                Digest::Hash => format!(
                    "pg_catalog.to_hex(pg_catalog.hash_array_extended(ARRAY[{image}], {FIRST}))"
                ),
                _ => format!("pg_catalog.md5({image})"),
            }
        };
        let text = |column: &Column| output(column.canon.column());
        let shown = |column: &Column| {
            let text = text(column);
            let (head, tail) = (SHOWN * 2 / 3, SHOWN / 3);
            format!(
                "(SELECT CASE WHEN pg_catalog.length(t) <= {SHOWN} THEN t ELSE \
                 pg_catalog.left(t, {head}) || '...' || pg_catalog.right(t, {tail}) END \
                 FROM (SELECT {text} AS t) AS s)"
            )
        };
        let length = |column: &Column| format!("pg_catalog.length({})", text(column));
        let all = |each: &dyn Fn(&Column) -> String, kind: &str| {
            let list: Vec<String> = self.pair.columns.iter().map(each).collect();
            format!("ARRAY[{}]::pg_catalog.{kind}[]", list.join(", "))
        };
        format!(
            "SELECT ctid::pg_catalog.text AS place, {} AS digests, {} AS texts, {} AS lengths \
             FROM {} WHERE {}",
            all(&digest, "text"),
            all(&shown, "text"),
            all(&length, "int8"),
            from(relation),
            at_places(places)
        )
    }

    /// The whole text of every column of the rows at some places.
    pub fn texts(&self, relation: &RelationInfo, places: &[Place]) -> String {
        let list: Vec<String> = self
            .pair
            .columns
            .iter()
            .map(|column| output(column.canon.column()))
            .collect();
        format!(
            "SELECT ctid::pg_catalog.text AS place, ARRAY[{}]::pg_catalog.text[] AS texts FROM {} \
             WHERE {}",
            list.join(", "),
            from(relation),
            at_places(places)
        )
    }

    /// The key's columns as text, of the rows at some places.
    pub fn key_texts(&self, relation: &RelationInfo, places: &[Place]) -> String {
        let list: Vec<String> = self
            .pair
            .key_columns()
            .map(|column| output(column.canon.column()))
            .collect();
        format!(
            "SELECT ctid::pg_catalog.text AS place, ARRAY[{}]::pg_catalog.text[] AS texts FROM {} \
             WHERE {}",
            list.join(", "),
            from(relation),
            at_places(places)
        )
    }

    /// Places and texts of the key's columns (of all columns where there is no key) of rows that meet a condition
    /// and have one of these keys, where any are given.
    pub fn texts_that(
        &self,
        relation: &RelationInfo,
        condition: &str,
        keys: Option<&[Vec<Option<String>>]>,
    ) -> String {
        let columns: Vec<&Column> = match self.pair.key {
            Some(_) => self.pair.key_columns().collect(),
            None => self.pair.columns.iter().collect(),
        };
        let list: Vec<String> = columns
            .iter()
            .map(|column| output(column.canon.column()))
            .collect();
        let mut more = vec![condition.to_owned()];
        more.extend(keys.map(|keys| self.key_condition(keys)));
        format!(
            "SELECT ctid::pg_catalog.text AS place, ARRAY[{}]::pg_catalog.text[] AS texts FROM {}{}",
            list.join(", "),
            from(relation),
            self.filter(Pages::ALL, &more)
        )
    }
}

/// Locks relations against writers, for the time of a transaction.
pub fn lock<'a>(relations: impl Iterator<Item = &'a RelationInfo>) -> String {
    let list: Vec<String> = relations.map(from).collect();
    format!("LOCK TABLE {} IN SHARE MODE", list.join(", "))
}

/// What the type prints, padding of char(n) included: a cast to text would drop that.
fn output(column: &str) -> String {
    // IS NULL would be true for a composite value of nulls.
    format!(
        "CASE WHEN ({column})::pg_catalog.text IS NOT NULL THEN pg_catalog.format('%s', {column}) END"
    )
}

fn at_places(places: &[Place]) -> String {
    let list: Vec<String> = places
        .iter()
        .map(|place| format!("\"({},{})\"", place.block, place.offset))
        .collect();
    format!("ctid = ANY ('{{{}}}'::pg_catalog.tid[])", list.join(","))
}

fn from(relation: &RelationInfo) -> String {
    format!("ONLY {}", relation.qualified().sql())
}

/// The exclusive or of all terms. As a tree of little depth: tables have up to 1,600 columns, and
/// the server's parser descends.
fn combined(terms: &[String]) -> String {
    match terms {
        [] => "0".to_owned(),
        [one] => one.clone(),
        _ => {
            let (left, right) = terms.split_at(terms.len() / 2);
            format!("({} # {})", combined(left), combined(right))
        }
    }
}

/// 64 bits of a hexadecimal digest, from a digit on.
fn half(text: &str, from: u32) -> String {
    format!("('x' || pg_catalog.substr({text}, {from}, 16))::pg_catalog.bit(64)::pg_catalog.int8")
}

fn text_array(values: impl Iterator<Item = Option<String>>) -> String {
    let list: Vec<String> = values
        .map(|value| value.map_or_else(|| "NULL".to_owned(), |text| pgl_core::quote_literal(&text)))
        .collect();
    format!("ARRAY[{}]::pg_catalog.text[]", list.join(","))
}
