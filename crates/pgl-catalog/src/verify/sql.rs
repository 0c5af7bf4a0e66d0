//! The statements that digest, fetch and show rows.
//!
//! Every function and type is written with its schema, every name quoted. The digest of a row is the
//! exclusive or of a hash of each column, every column with a seed of its own, hashed once more: only then
//! may digests be summed. Without the last step a sum of sums would not see two rows that exchange a value.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use pgl_core::verify::canon::Flavour;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::{ComparedColumn, TablePair};
use pgl_core::verify::rows::Place;
use pgl_core::verify::types::RelationInfo;
use pgl_core::{Side, quote_ident};

/// Which digest: two of rows, one of keys.
const FIRST: u64 = 1;
const SECOND: u64 = 2;
const KEY: u64 = 3;

/// What all digests of this process begin with, the same on both servers. Whoever could know it could write two rows with one digest:
/// neither the server's hash functions nor MD5 withstand that.
pub fn salt() -> u64 {
    static SALT: OnceLock<u64> = OnceLock::new();
    *SALT.get_or_init(|| RandomState::new().build_hasher().finish())
}

/// Values longer than this are shown with their middle left out.
const SHOWN: usize = 160;

/// Values of a row as text, in the order of the columns.
pub type Texts<'a> = &'a [Option<String>];

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
pub struct TableReading<'a> {
    /// The table.
    pub pair: &'a TablePair,
    /// Which side.
    pub side: Side,
    /// How rows are digested.
    pub digest: Digest,
    /// Number of buckets, a power of two.
    pub buckets: usize,
    /// A condition that rows must meet, as the user wrote it.
    pub condition: Option<&'a str>,
}

/// Rows to look for: the canonical bytes of each key, and its columns as text.
#[derive(Clone, Copy)]
pub struct WantedKey<'a> {
    /// Canonical bytes.
    pub image: &'a [u8],
    /// The key's columns as text.
    pub texts: &'a [Option<String>],
}

impl TableReading<'_> {
    fn list<'c>(
        &self,
        columns: impl Iterator<Item = &'c ComparedColumn>,
        flavour: Flavour,
        at: &str,
    ) -> String {
        let all: Vec<String> = columns
            .map(|column| column.canon.sql(self.side, flavour, at))
            .collect();
        all.join(", ")
    }

    /// A 64-bit hash over columns, never NULL. Each of [`FIRST`] and its like is an unrelated function.
    fn hashed<'c>(
        &self,
        columns: impl Iterator<Item = &'c ComparedColumn>,
        which: u64,
        at: &str,
    ) -> String {
        let terms: Vec<String> = (0_u64..)
            .zip(columns)
            .map(|(number, column)| {
                column
                    .canon
                    .hash(self.side, salt() ^ (which << 32 | number), at)
            })
            .collect();
        // A constant, hashed with the whole as its seed: that keeps all 64 bits.
        format!("pg_catalog.hashint4extended(0, {})", combined(&terms))
    }

    /// `md5` of a row image, as text.
    fn md5<'c>(&self, columns: impl Iterator<Item = &'c ComparedColumn>, at: &str) -> String {
        let list = self.list(columns, Flavour::Send, at);
        format!(
            "pg_catalog.md5(pg_catalog.record_send(ROW({}::pg_catalog.int8, {list})))",
            salt() >> 1
        )
    }

    /// The hash that names a row's bucket: of the key; of the whole row where there is no key.
    fn key_hash(&self, at: &str) -> String {
        let keyed = self.pair.key.is_some();
        match (self.digest, keyed) {
            (Digest::Hash, true) => self.hashed(self.pair.key_columns(), KEY, at),
            (Digest::Hash, false) => self.hashed(self.pair.columns.iter(), FIRST, at),
            (_, true) => half(&self.md5(self.pair.key_columns(), at), 1),
            (_, false) => half(&self.md5(self.pair.columns.iter(), at), 1),
        }
    }

    /// Bytes that identify a row on both sides; NULL where there is no key.
    fn key_image(&self, at: &str) -> String {
        if self.pair.key.is_none() {
            return "NULL::pg_catalog.bytea".to_owned();
        }
        format!(
            "pg_catalog.record_send(ROW({}))",
            self.list(self.pair.key_columns(), Flavour::Send, at)
        )
    }

    fn filter(&self, pages: Pages, more: &[String]) -> String {
        let mut all = Vec::new();
        if pages.from > 0 {
            all.push(format!(
                "ctid OPERATOR(pg_catalog.>=) '({},0)'::pg_catalog.tid",
                pages.from
            ));
        }
        if let Some(to) = pages.to {
            all.push(format!(
                "ctid OPERATOR(pg_catalog.<) '({to},0)'::pg_catalog.tid"
            ));
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

    /// The bucket that a hash falls into.
    fn bucket(&self, hash: &str) -> String {
        let mask = self.buckets.saturating_sub(1);
        format!("({hash} OPERATOR(pg_catalog.&) {mask})")
    }

    /// Sums by bucket: bucket, count, both sums as text. The second is 0 where one digest is all.
    pub fn sums(&self, relation: &RelationInfo, pages: Pages) -> String {
        let from = from(relation);
        let at = &named(relation);
        let filter = self.filter(pages, &[]);
        if self.digest == Digest::Counts || self.pair.columns.is_empty() {
            return format!("SELECT 0, pg_catalog.count(*), '0', '0' FROM {from}{filter}");
        }
        let sum = |of: &str| format!("coalesce(pg_catalog.sum({of}), 0)::pg_catalog.text");
        let sums = |first: &str| match self.digest {
            Digest::Hash => format!("pg_catalog.count(*), {}, '0'", sum(first)),
            _ => format!(
                "pg_catalog.count(*), {}, {}",
                sum(&half("q.r", 1)),
                sum(&half("q.r", 17))
            ),
        };
        let bucket = |hash: &str| format!("{}::pg_catalog.int4", self.bucket(hash));
        let key_hash = self.key_hash(at);
        match (self.digest, self.pair.key.is_some(), self.buckets > 1) {
            (Digest::Hash, _, false) => {
                let row = self.hashed(self.pair.columns.iter(), FIRST, at);
                format!("SELECT 0, {} FROM {from}{filter}", sums(&row))
            }
            (Digest::Hash, true, true) => {
                let row = self.hashed(self.pair.columns.iter(), FIRST, at);
                let (bucket, sums) = (bucket(&key_hash), sums(&row));
                format!("SELECT {bucket}, {sums} FROM {from}{filter} GROUP BY 1")
            }
            // OFFSET 0 keeps the planner from computing what the inner query gives more than once.
            (Digest::Hash, false, true) => format!(
                "SELECT {}, {} FROM (SELECT {key_hash} AS r FROM {from}{filter} OFFSET 0) AS q \
                 GROUP BY 1",
                bucket("q.r"),
                sums("q.r"),
            ),
            (_, _, false) => format!(
                "SELECT 0, {} FROM (SELECT {} AS r FROM {from}{filter} OFFSET 0) AS q",
                sums(""),
                self.md5(self.pair.columns.iter(), at)
            ),
            (_, keyed, true) => {
                let more = if keyed {
                    format!(", {key_hash} AS k")
                } else {
                    String::new()
                };
                let hash = if keyed {
                    "q.k".to_owned()
                } else {
                    half("q.r", 1)
                };
                format!(
                    "SELECT {}, {} FROM (SELECT {} AS r{more} FROM {from}{filter} OFFSET 0) AS q \
                     GROUP BY 1",
                    bucket(&hash),
                    sums(""),
                    self.md5(self.pair.columns.iter(), at)
                )
            }
        }
    }

    /// Both digests of each row as `first` and `second`, and what else is wanted: expressions with
    /// the names that they get.
    fn digested(&self, from: &str, at: &str, filter: &str, more: &[(String, &str)]) -> String {
        let extra: String = more
            .iter()
            .map(|(expression, name)| format!(", {expression} AS {name}"))
            .collect();
        if self.digest == Digest::Hash {
            let [first, second] =
                [FIRST, SECOND].map(|which| self.hashed(self.pair.columns.iter(), which, at));
            return format!(
                "SELECT {first} AS first, {second} AS second{extra} FROM {from}{filter}"
            );
        }
        let names: String = more.iter().map(|(_, name)| format!(", p.{name}")).collect();
        format!(
            "SELECT {} AS first, {} AS second{names} FROM (SELECT {} AS r{extra} FROM \
             {from}{filter} OFFSET 0) AS p",
            half("p.r", 1),
            half("p.r", 17),
            self.md5(self.pair.columns.iter(), at)
        )
    }

    /// Rows of some buckets through binary COPY: key bytes, both digests, place.
    pub fn rows(&self, relation: &RelationInfo, pages: Pages, buckets: Option<&[u32]>) -> String {
        let mut more = Vec::new();
        if let Some(buckets) = buckets {
            let list: Vec<String> = buckets.iter().map(u32::to_string).collect();
            more.push(format!(
                "{} OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.int8[])",
                self.bucket(&self.key_hash(&named(relation))),
                list.join(",")
            ));
        }
        self.copy_rows(relation, &self.filter(pages, &more))
    }

    /// Whether an index can find keys, or most of what they are not: `=` of `pg_catalog` compares a column of them, whose texts
    /// are read without running anybody's code. Otherwise rows are found by their canonical bytes, in the whole table.
    pub fn by_index(&self) -> bool {
        !self.compared("t").is_empty()
    }

    /// The columns of the key that `=` compares, by their number in the key.
    fn compared(&self, at: &str) -> Vec<(usize, &ComparedColumn, String)> {
        (self.pair.key_columns().enumerate())
            .filter(|(_, column)| column.input_type(self.side).is_some())
            .filter_map(|(number, column)| {
                let operand = column.canon.comparable(self.side, at)?;
                Some((number, column, operand))
            })
            .collect()
    }

    /// Rows with some keys, by their texts or by their bytes. By their texts there may be others among them: equal
    /// is not the same.
    pub fn rows_by_key(
        &self,
        relation: &RelationInfo,
        keys: &[WantedKey<'_>],
        index: bool,
    ) -> String {
        let condition = self.key_condition(relation, keys, index);
        self.copy_rows(relation, &self.filter(Pages::ALL, &[condition]))
    }

    fn key_condition(
        &self,
        relation: &RelationInfo,
        keys: &[WantedKey<'_>],
        index: bool,
    ) -> String {
        let at = &named(relation);
        let compared = self.compared(at);
        let columns: Vec<&ComparedColumn> = compared.iter().map(|(_, column, _)| *column).collect();
        let text = |key: &WantedKey<'_>, number: usize| key.texts.get(number).cloned().flatten();
        let texts: Vec<Vec<Option<String>>> = (keys.iter())
            .map(|key| {
                compared
                    .iter()
                    .map(|(number, ..)| text(key, *number))
                    .collect()
            })
            .collect();
        let texts: Vec<&[Option<String>]> = texts.iter().map(Vec::as_slice).collect();
        match values(&columns, self.side, &texts).filter(|_| index) {
            Some(values) => {
                let operands: Vec<&str> = compared.iter().map(|(.., sql)| sql.as_str()).collect();
                format!(
                    "ROW({}) OPERATOR(pg_catalog.=) ANY ({values})",
                    operands.join(", ")
                )
            }
            // The client's own bytes: it looks for them itself.
            _ if self.digest == Digest::Client => "true".to_owned(),
            _ => {
                let images: Vec<String> = keys
                    .iter()
                    .map(|key| format!("\"\\\\x{}\"", hex(key.image)))
                    .collect();
                format!(
                    "{} OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.bytea[])",
                    self.key_image(at),
                    images.join(",")
                )
            }
        }
    }

    /// Rows given as texts of all columns, in the form of [`Self::rows`], or of [`Self::whole`] where the client hashes;
    /// the place is the number in the list. Each text is read by the type's input function, as a decoded change or
    /// pglogical's own text would be; a value that would run a domain's checks is NULL. None where the key (the row, where
    /// there is none) has such a value.
    pub fn given(&self, rows: &[Vec<Option<String>>]) -> Option<String> {
        let mut needed: Box<dyn Iterator<Item = &ComparedColumn>> = match self.pair.key {
            Some(_) => Box::new(self.pair.key_columns()),
            None => Box::new(self.pair.columns.iter()),
        };
        if needed.any(|column| column.input_type(self.side).is_none()) {
            return None;
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
                    .map(|(number, column)| {
                        let text = row.get(number).and_then(Option::as_deref);
                        format!(", {}", literal(column, self.side, text))
                    })
                    .collect();
                format!("('({at},1)'::pg_catalog.tid{values})")
            })
            .collect();
        let names: String = (self.pair.columns.iter())
            .map(|column| format!(", {}", column.canon.column()))
            .collect();
        let number = self.unused_name();
        let from = format!("(VALUES {}) AS given ({number}{names})", list.join(", "));
        Some(self.copy_given(&from, &number))
    }

    fn copy_given(&self, from: &str, number: &str) -> String {
        let place = format!("given.{number}");
        if self.digest == Digest::Client {
            return self.copy_columns("given", &place, from, "");
        }
        let more = [(self.key_image("given"), "key"), (place, "place")];
        format!(
            "COPY (SELECT q.key, q.first, q.second, q.place FROM ({}) AS q) TO STDOUT (FORMAT binary)",
            self.digested(from, "given", "", &more)
        )
    }

    /// Like [`Self::given`], with the values of some columns, by number, as stored in the row of another key, or of the
    /// same. A row that is not in this relation is left out. None where no index finds rows by their key.
    pub fn kept(
        &self,
        relation: &RelationInfo,
        rows: &[(Texts<'_>, Texts<'_>)],
        columns: &[usize],
    ) -> Option<String> {
        let compared = self.compared("stored");
        let keys: Vec<&ComparedColumn> = self.pair.key_columns().collect();
        let unread = |column: &ComparedColumn| column.input_type(self.side).is_none();
        if compared.is_empty() || keys.iter().any(|column| unread(column)) {
            return None;
        }
        let cell = |column: &ComparedColumn, text: Option<&Option<String>>| {
            let text = text.and_then(Option::as_deref);
            format!(", {}", literal(column, self.side, text))
        };
        let shown =
            || (self.pair.columns.iter().enumerate()).filter(|(at, _)| !columns.contains(at));
        let (mut new, mut old) = (Vec::new(), Vec::new());
        for (at, (row, of)) in rows.iter().enumerate() {
            let cells: String = shown()
                .map(|(n, column)| cell(column, row.get(n)))
                .collect();
            new.push(format!("('({at},1)'::pg_catalog.tid{cells})"));
            let cells: String = (keys.iter().enumerate())
                .map(|(n, column)| cell(column, of.get(n)))
                .collect();
            old.push(format!("('({at},1)'::pg_catalog.tid{cells})"));
        }
        let number = self.unused_name();
        let list = |columns: &mut dyn Iterator<Item = &ComparedColumn>| -> String {
            columns
                .map(|column| format!(", {}", column.canon.column()))
                .collect()
        };
        let same: Vec<String> = (self.compared("former").into_iter().zip(&compared))
            .map(|((.., of), (.., stored))| format!("{stored} OPERATOR(pg_catalog.=) {of}"))
            .collect();
        let all: String = (self.pair.columns.iter().enumerate())
            .map(|(at, column)| {
                let from = if columns.contains(&at) {
                    "stored"
                } else {
                    "changed"
                };
                format!(", {}", column.canon.operand(from))
            })
            .collect();
        let from = format!(
            "(SELECT changed.{number}{all} FROM (VALUES {}) AS changed ({number}{}) \
             JOIN (VALUES {}) AS former ({number}{}) ON former.{number} OPERATOR(pg_catalog.=) changed.{number} \
             JOIN {} AS stored ON {} AND {} OPERATOR(pg_catalog.=) {}) AS given ({number}{})",
            new.join(", "),
            list(&mut shown().map(|(_, column)| column)),
            old.join(", "),
            list(&mut keys.iter().copied()),
            from(relation),
            same.join(" AND "),
            self.key_image("stored"),
            self.key_image("former"),
            list(&mut self.pair.columns.iter()),
        );
        Some(self.copy_given(&from, &number))
    }

    /// Whether texts of all columns can be read, so that a given row has the digest of the stored one.
    pub fn reads_all(&self) -> bool {
        (self.pair.columns.iter()).all(|column| column.input_type(self.side).is_some())
    }

    fn unused_name(&self) -> String {
        let mut name = "n".to_owned();
        while self.pair.columns.iter().any(|c| c.name == name) {
            name.push('n');
        }
        name
    }

    fn copy_rows(&self, relation: &RelationInfo, filter: &str) -> String {
        let at = named(relation);
        let more = [(self.key_image(&at), "key"), ("ctid".to_owned(), "place")];
        format!(
            "COPY (SELECT q.key, q.first, q.second, q.place FROM ({}) AS q) TO STDOUT (FORMAT binary)",
            self.digested(&from(relation), &at, filter, &more)
        )
    }

    /// Everything of each row through binary COPY, for digests made by the client: place, the
    /// key's columns, all columns.
    pub fn whole(&self, relation: &RelationInfo, pages: Pages) -> String {
        self.copy_whole(relation, &self.filter(pages, &[]))
    }

    /// The same for rows with some keys, where an index finds them; else for all.
    pub fn whole_by_key(
        &self,
        relation: &RelationInfo,
        keys: &[WantedKey<'_>],
        index: bool,
    ) -> String {
        let conditions: Vec<String> = match index && self.by_index() {
            true => vec![self.key_condition(relation, keys, true)],
            false => Vec::new(),
        };
        self.copy_whole(relation, &self.filter(Pages::ALL, &conditions))
    }

    fn copy_whole(&self, relation: &RelationInfo, filter: &str) -> String {
        let at = &named(relation);
        self.copy_columns(at, "ctid", &from(relation), filter)
    }

    fn copy_columns(&self, at: &str, place: &str, from: &str, filter: &str) -> String {
        let mut list = vec![place.to_owned()];
        let key = self.list(self.pair.key_columns(), Flavour::Send, at);
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
            at,
        );
        list.extend([key, all].into_iter().filter(|part| !part.is_empty()));
        format!(
            "COPY (SELECT {} FROM {from}{filter}) TO STDOUT (FORMAT binary)",
            list.join(", ")
        )
    }

    /// Digest, text and length of every column of the rows at some places.
    pub fn details(&self, relation: &RelationInfo, places: &[Place]) -> String {
        let at = &named(relation);
        let digest = |column: &ComparedColumn| {
            let image = format!(
                "pg_catalog.record_send(ROW({}))",
                column.canon.sql(self.side, Flavour::Send, at)
            );
            match self.digest {
                Digest::Hash => format!(
                    "pg_catalog.to_hex(pg_catalog.hash_array_extended(ARRAY[{image}], {}))",
                    salt() >> 1
                ),
                _ => format!("pg_catalog.md5({image})"),
            }
        };
        let text = |column: &ComparedColumn| self.shown(column, at);
        let shown = |column: &ComparedColumn| {
            let text = text(column);
            let (head, tail) = (SHOWN * 2 / 3, SHOWN / 3);
            format!(
                "(SELECT CASE WHEN pg_catalog.length(s.t) OPERATOR(pg_catalog.<=) {SHOWN} THEN s.t ELSE \
                 pg_catalog.left(s.t, {head}) OPERATOR(pg_catalog.||) '...' OPERATOR(pg_catalog.||) \
                 pg_catalog.right(s.t, {tail}) END \
                 FROM (SELECT {text} AS t OFFSET 0) AS s)"
            )
        };
        let length = |column: &ComparedColumn| format!("pg_catalog.length({})", text(column));
        let all = |each: &dyn Fn(&ComparedColumn) -> String, kind: &str| {
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

    /// What people see of a column. Where the server checks no encoding, bytes above ASCII are escaped.
    fn shown(&self, column: &ComparedColumn, at: &str) -> String {
        let text = column.canon.shown(at);
        if self.pair.is_unchecked(self.side) && column.canon.holds_text() {
            format!("pg_catalog.encode(pg_catalog.convert_to({text}, 'SQL_ASCII'), 'escape')")
        } else {
            text
        }
    }

    /// The whole text of every column of the rows at some places, and the version of each row.
    pub fn texts(&self, relation: &RelationInfo, places: &[Place]) -> String {
        self.texts_of(self.pair.columns.iter(), relation, places)
    }

    /// The key's columns as text, of the rows at some places.
    pub fn key_texts(&self, relation: &RelationInfo, places: &[Place]) -> String {
        self.texts_of(self.pair.key_columns(), relation, places)
    }

    fn texts_of<'c>(
        &self,
        columns: impl Iterator<Item = &'c ComparedColumn>,
        relation: &RelationInfo,
        places: &[Place],
    ) -> String {
        let at = &named(relation);
        let list: Vec<String> = columns.map(|column| self.shown(column, at)).collect();
        format!(
            "SELECT ctid::pg_catalog.text AS place, xmin::pg_catalog.text AS version, \
             ARRAY[{}]::pg_catalog.text[] AS texts FROM {} WHERE {}",
            list.join(", "),
            from(relation),
            at_places(places)
        )
    }

    /// Places and texts of the key's columns (of all columns where there is no key) of rows that meet a condition
    /// and have one of these keys, where any are given. Where no index finds a key, other rows may be among them.
    pub fn texts_that(
        &self,
        relation: &RelationInfo,
        condition: &str,
        keys: Option<&[WantedKey<'_>]>,
    ) -> String {
        let at = &named(relation);
        let columns: Vec<&ComparedColumn> = match self.pair.key {
            Some(_) => self.pair.key_columns().collect(),
            None => self.pair.columns.iter().collect(),
        };
        let list: Vec<String> = columns
            .iter()
            .map(|column| self.shown(column, at))
            .collect();
        let mut more = vec![condition.to_owned()];
        more.extend(keys.map(|keys| self.key_condition(relation, keys, true)));
        format!(
            "SELECT ctid::pg_catalog.text AS place, ARRAY[{}]::pg_catalog.text[] AS texts FROM {}{}",
            list.join(", "),
            from(relation),
            self.filter(Pages::ALL, &more)
        )
    }
}

/// Locks relations against writers, for the time of a transaction. Nothing where there is none.
pub fn lock<'a>(relations: impl Iterator<Item = &'a RelationInfo>) -> String {
    let list: Vec<String> = relations.map(from).collect();
    if list.is_empty() {
        return String::new();
    }
    format!("LOCK TABLE {} IN SHARE MODE", list.join(", "))
}

/// A statement of which nothing but the condition matters.
pub(super) fn with_condition(relation: &RelationInfo, condition: &str) -> String {
    format!("SELECT FROM {} WHERE ({condition}\n)", from(relation))
}

fn at_places(places: &[Place]) -> String {
    let list: Vec<String> = places
        .iter()
        .map(|place| format!("\"({},{})\"", place.block, place.offset))
        .collect();
    format!(
        "ctid OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.tid[])",
        list.join(",")
    )
}

fn from(relation: &RelationInfo) -> String {
    format!("ONLY {}", relation.qualified().sql())
}

/// The name by which a relation's columns are meant: with it, no name of ours and no other relation's is.
fn named(relation: &RelationInfo) -> String {
    quote_ident(&relation.name)
}

/// The exclusive or of all terms. As a tree of little depth: tables have up to 1,600 columns, and
/// the server's parser descends.
fn combined(terms: &[String]) -> String {
    match terms {
        [] => "0".to_owned(),
        [one] => one.clone(),
        _ => {
            let (left, right) = terms.split_at(terms.len() / 2);
            format!(
                "({} OPERATOR(pg_catalog.#) {})",
                combined(left),
                combined(right)
            )
        }
    }
}

/// 64 bits of a hexadecimal digest, from a digit on.
fn half(text: &str, from: u32) -> String {
    format!(
        "('x' OPERATOR(pg_catalog.||) pg_catalog.substr({text}, {from}, 16))\
         ::pg_catalog.bit(64)::pg_catalog.int8"
    )
}

/// Rows of typed columns from texts. None without columns, and where a domain's checks would run.
fn values(columns: &[&ComparedColumn], side: Side, rows: &[&[Option<String>]]) -> Option<String> {
    let readable = columns
        .iter()
        .all(|column| column.input_type(side).is_some());
    if columns.is_empty() || rows.is_empty() || !readable {
        return None;
    }
    let row = |texts: &&[Option<String>]| {
        let list: Vec<String> = (columns.iter().enumerate())
            .map(|(at, column)| literal(column, side, texts.get(at).and_then(Option::as_deref)))
            .collect();
        format!("({})", list.join(", "))
    };
    let all: Vec<String> = rows.iter().map(row).collect();
    Some(format!("VALUES {}", all.join(", ")))
}

/// A text as a literal of the column's type, which goes through the type's input function: a cast of a value could be
/// somebody's function. NULL where that function would run the checks of a domain.
fn literal(column: &ComparedColumn, side: Side, text: Option<&str>) -> String {
    match (column.input_type(side), text) {
        (Some(kind), Some(text)) => format!("{}::{kind}", pgl_core::quote_literal(text)),
        (Some(kind), None) => format!("NULL::{kind}"),
        (None, _) => format!("NULL::{}", column.type_name(side)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
