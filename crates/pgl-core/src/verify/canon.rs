//! The canonical form of a value: an SQL expression per column and side whose value is equal on
//! both servers exactly when the stored values are.
//!
//! A value is compared by what PostgreSQL stores. Text output depends on settings and on the
//! version (floats before and after 12), type equality is too coarse (1.0 = 1.00, -0 = 0, one
//! month = 30 days), and the binary form of a whole row carries object numbers that differ between
//! servers. So every expression is built from the catalogs of both sides: built-in types as they
//! are or through their send function, user-made types reduced to built-in ones, and the same
//! choice on both sides.
//!
//! An expression runs with the rights of whoever compares, so it runs no code of a user: no cast from or to a
//! user's type, no operator and no function that a user could have made, no check of a domain. What is called of a user's type
//! is its own send or output function, as pg_dump does, and always through a function of `pg_catalog` that
//! finds it by the type and not by a name. Every column is written with the relation that it belongs to, so
//! that no name which is made up here can be taken for a column.
//!
//! What is stored in several ways without being another value has one form here: an array with a bitmap of nulls
//! that has no nulls any more, and NaN, which has many bit patterns. Whatever prints and reads such a value, as pglogical
//! and pg_dump do, leaves one of them. So it is with the XML declaration of an xml value (`<?xml version="1.0"
//! encoding="ISO-8859-1"?>`): neither its output nor its send function gives the encoding, so it is not compared.
//!
//! Two flavours of the same value. [`Flavour::Send`] goes into `record_send(ROW(…))` or a binary
//! COPY, which apply the send function themselves. [`Flavour::Bytes`] is the value as the bytes that
//! its send function gives. [`Canon::hash`] is a 64-bit hash of the value.

use super::types::{ColumnInfo, TypeInfo, Types};
use crate::Side;
use crate::name::quote_ident;

/// What the expression is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `record_send(ROW(…))` and binary COPY.
    Send,
    /// Always bytes.
    Bytes,
}

/// How the bytes of text relate between the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Both databases are in UTF-8, as our sessions are: nothing is converted.
    Same,
    /// The encodings differ: text is compared as the server converts it to UTF-8.
    Converted,
    /// Both have another encoding, or one side has none (SQL_ASCII): text is compared by its bytes,
    /// without a conversion, which could fail.
    Raw,
}

impl Encoding {
    /// What two databases have, by the names of their encodings.
    pub fn between(source: &str, target: &str) -> Self {
        match (source, target) {
            ("UTF8", "UTF8") => Self::Same,
            ("SQL_ASCII", _) | (_, "SQL_ASCII") => Self::Raw,
            (one, two) if one == two => Self::Raw,
            _ => Self::Converted,
        }
    }
}

/// Form of a value on one side; the builder makes both sides' forms alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    /// The base type of a domain, as SQL: a cast to it runs nothing.
    cast: Option<String>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A built-in type whose number is the same on every server; its send call with `$` for the
    /// operand.
    Builtin { name: String, send: String },
    /// `char(n)`: its padding follows from `n`.
    Padded,
    /// An enum's label.
    Enum,
    /// The bytes of the type's own send function; whether they may hold text.
    Image { textual: bool },
    /// Output text.
    Text,
    /// An array whose own bytes are comparable but for its flags and the number of its element type: the name of that
    /// type where it is built-in, and whether elements may hold text.
    Array {
        builtin: Option<String>,
        textual: bool,
    },
    /// Dimensions, then each element in its own form.
    Elements(Box<Form>),
    /// Bounds, each in the form of the subtype.
    Range(Box<Form>),
    /// The ranges of a multirange, each in its own form.
    Ranges(Box<Form>),
    /// Each field in its own form, in the source's order.
    Fields(Vec<(String, Form)>),
    /// A set that is kept in the order of its keys' bytes, which another encoding changes.
    Set(Set),
}

/// Types that sort what they hold by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Jsonb,
    Tsvector,
    Hstore,
}

impl Form {
    fn plain(what: What) -> Self {
        Self { cast: None, what }
    }

    /// Whether the bytes that the type sends are the same on both servers, without anything done to them.
    fn flat(&self) -> bool {
        match &self.what {
            What::Builtin { name, .. } => !FLOATS.contains(&name.as_str()),
            What::Enum | What::Image { .. } => true,
            _ => false,
        }
    }

    /// Whether the value or a part of it may hold text.
    fn holds_text(&self) -> bool {
        match &self.what {
            What::Elements(part) | What::Range(part) | What::Ranges(part) => part.holds_text(),
            What::Fields(fields) => fields.iter().any(|(_, field)| field.holds_text()),
            _ => self.textual(),
        }
    }

    /// Whether the value is text in the server's encoding, or may hold it and is written as a whole.
    fn textual(&self) -> bool {
        match &self.what {
            What::Builtin { name, .. } => !BINARY.contains(&name.as_str()),
            What::Image { textual } | What::Array { textual, .. } => *textual,
            What::Padded | What::Enum | What::Text | What::Set(_) => true,
            // Each part is written in a form of its own.
            What::Elements(_) | What::Range(_) | What::Ranges(_) | What::Fields(_) => false,
        }
    }
}

/// The two expressions of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canon {
    column: String,
    source: Form,
    target: Form,
    encoding: Encoding,
}

/// Why a column cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeMismatch {
    /// The types differ.
    #[error("column {column} is {source_type} on the source and {target_type} on the target")]
    Types {
        /// Column name.
        column: String,
        /// Type on the source.
        source_type: String,
        /// Type on the target.
        target_type: String,
    },
    /// A type is missing from what was read of the catalog.
    #[error("the type of column {0} could not be read from the catalog")]
    Unknown(String),
}

/// Numbers of one server only; the names that they print as are what is meant.
pub(crate) const REG: &[&str] = &[
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regclass",
    "regtype",
    "regconfig",
    "regdictionary",
    "regrole",
    "regnamespace",
    "regcollation",
    "regdatabase",
];

/// Built-in types that hold no text; every other may.
const BINARY: &[&str] = &[
    "bool",
    "bytea",
    "char",
    "int2",
    "int4",
    "int8",
    "oid",
    "float4",
    "float8",
    "numeric",
    "money",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit",
    "varbit",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "pg_lsn",
    "tid",
    "xid",
    "xid8",
    "cid",
    "txid_snapshot",
    "pg_snapshot",
    "int2vector",
    "oidvector",
];

/// Built-in types made of floats.
const FLOATS: &[&str] = &[
    "float4", "float8", "point", "line", "lseg", "box", "path", "polygon", "circle",
];

const MAX_DEPTH: usize = 16;

impl Canon {
    /// Chooses the form of one column from what both catalogs say.
    pub fn of(
        source: (&ColumnInfo, &Types),
        target: (&ColumnInfo, &Types),
        encoding: Encoding,
    ) -> Result<Self, TypeMismatch> {
        let build = Build {
            source: source.1,
            target: target.1,
            encoding,
        };
        let types = (source.0.typed(), target.0.typed());
        match build.form(types.0, types.1, 0) {
            Ok((one, two)) => Ok(Self {
                column: quote_ident(&source.0.name),
                source: one,
                target: two,
                encoding,
            }),
            Err(Bad::Differ) => Err(TypeMismatch::Types {
                column: source.0.name.clone(),
                source_type: source.0.shown.clone(),
                target_type: target.0.shown.clone(),
            }),
            Err(Bad::Unknown) => Err(TypeMismatch::Unknown(source.0.name.clone())),
        }
    }

    fn form(&self, side: Side) -> &Form {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// The expression on one side, over the column of a relation that is named by its quoted name or
    /// alias.
    pub fn sql(&self, side: Side, flavour: Flavour, relation: &str) -> String {
        write(
            self.form(side),
            &self.operand(relation),
            flavour,
            self.encoding,
        )
    }

    /// The column itself, with its relation.
    pub fn operand(&self, relation: &str) -> String {
        format!("{relation}.{}", self.column)
    }

    /// The column as its base type, and whether `=` of `pg_catalog` compares it by an index, text in a
    /// way that both sides agree on.
    pub fn comparable(&self, side: Side, relation: &str) -> Option<String> {
        let form = self.form(side);
        let known = match &form.what {
            // Up to 15 it does not read all that it prints.
            What::Builtin { name, .. } if name == "char" => false,
            What::Builtin { .. }
            | What::Array {
                builtin: Some(_), ..
            } => true,
            // With a cast by its owner, `=` could be that of another type.
            What::Enum
            | What::Padded
            | What::Image { .. }
            | What::Text
            | What::Array { builtin: None, .. }
            | What::Elements(_)
            | What::Range(_)
            | What::Ranges(_)
            | What::Fields(_)
            | What::Set(_) => false,
        };
        let bytes_only = self.encoding == Encoding::Raw && form.textual();
        (known && !bytes_only).then(|| based(form, &self.operand(relation)))
    }

    /// Whether values may hold text in the server's encoding.
    pub fn holds_text(&self) -> bool {
        self.source.holds_text()
    }

    /// The value as people see it. A byte above ASCII is a character in no encoding: up to 15 its type (`"char"`) prints it as it is.
    pub fn shown(&self, relation: &str) -> String {
        let operand = self.operand(relation);
        match &self.source.what {
            What::Builtin { name, .. } if name == "char" => {
                format!("pg_catalog.encode(pg_catalog.charsend({operand}), 'escape')")
            }
            _ => output(&operand),
        }
    }

    /// The column's name as SQL.
    pub fn column(&self) -> &str {
        &self.column
    }
}

/// What a type's output function prints, NULL for NULL: no cast, and `IS NULL` would be true for a
/// composite value of nulls.
pub fn output(operand: &str) -> String {
    format!(
        "CASE WHEN {} THEN pg_catalog.format('%s', {operand}) END",
        present(operand)
    )
}

/// Whether there is a value, of any type.
fn present(operand: &str) -> String {
    format!("pg_catalog.pg_column_size({operand}) IS NOT NULL")
}

enum Bad {
    Differ,
    Unknown,
}

type Forms = (Form, Form);

/// A type's number and its modifier.
type Typed = (u32, i32);

struct Build<'a> {
    source: &'a Types,
    target: &'a Types,
    encoding: Encoding,
}

impl Build<'_> {
    fn form(&self, source: Typed, target: Typed, depth: usize) -> Result<Forms, Bad> {
        if depth > MAX_DEPTH {
            return Err(Bad::Unknown);
        }
        let one = self.source.get(source.0).ok_or(Bad::Unknown)?;
        let two = self.target.get(target.0).ok_or(Bad::Unknown)?;
        if one.kind == "d" || two.kind == "d" {
            let (b1, b2) = (
                base_of(self.source, one, source.1)?,
                base_of(self.target, two, target.1)?,
            );
            let (f1, f2) = self.form((b1.0.oid, b1.1), (b2.0.oid, b2.1), depth + 1)?;
            // The number of a domain must not get into a row image; a cast to its base removes it.
            return Ok((
                through_base(self.source, one, b1.0, f1),
                through_base(self.target, two, b2.0, f2),
            ));
        }
        if one.kind != two.kind || one.element.is_some() != two.element.is_some() {
            return Err(Bad::Differ);
        }
        if let (Some(e1), Some(e2)) = (one.element, two.element) {
            return self.array((e1, source.1), (e2, target.1), depth);
        }
        if one.name != two.name || is_builtin(one) != is_builtin(two) {
            return Err(Bad::Differ);
        }
        match one.kind.as_str() {
            "e" => Ok(both(What::Enum)),
            "c" => self.composite(one, two, depth),
            "r" | "m" => self.range(one, two, depth),
            _ if is_builtin(one) => Ok(self.builtin(one, two, source.1, target.1)),
            _ if !one.sends || !two.sends => Ok(both(What::Text)),
            _ if one.name == "hstore" && self.encoding == Encoding::Converted => {
                Ok(both(What::Set(Set::Hstore)))
            }
            _ => Ok(both(What::Image { textual: true })),
        }
    }

    fn builtin(&self, one: &TypeInfo, two: &TypeInfo, typmod: i32, other: i32) -> Forms {
        let name = one.name.as_str();
        let converted = self.encoding == Encoding::Converted;
        if REG.contains(&name) || name == "aclitem" || !one.sends || !two.sends {
            return both(What::Text);
        }
        match name {
            "jsonb" if converted => both(What::Set(Set::Jsonb)),
            "tsvector" if converted => both(What::Set(Set::Tsvector)),
            "bpchar" if self.encoding == Encoding::Raw && typmod >= 0 && typmod == other => {
                both(What::Padded)
            }
            _ if one.send.is_empty() || two.send.is_empty() => both(What::Image {
                textual: !BINARY.contains(&name),
            }),
            _ => both(What::Builtin {
                name: one.name.clone(),
                send: format!("pg_catalog.{}($)", quote_ident(&one.send)),
            }),
        }
    }

    fn array(&self, e1: Typed, e2: Typed, depth: usize) -> Result<Forms, Bad> {
        let (f1, f2) = self.form(e1, e2, depth + 1)?;
        let builtin = match (&f1, &f2) {
            (
                Form {
                    cast: None,
                    what: What::Builtin { name, .. },
                },
                Form { cast: None, .. },
            ) => Some(name.clone()),
            _ => None,
        };
        if builtin.is_some() || (f1.flat() && f2.flat()) {
            let textual = f1.textual();
            return Ok(both(What::Array { builtin, textual }));
        }
        if matches!(f1.what, What::Text) {
            return Ok(both(What::Text));
        }
        let of = |form| Form::plain(What::Elements(Box::new(form)));
        Ok((of(f1), of(f2)))
    }

    fn composite(&self, one: &TypeInfo, two: &TypeInfo, depth: usize) -> Result<Forms, Bad> {
        if one.fields.len() != two.fields.len() {
            return Err(Bad::Differ);
        }
        let mut fields = (Vec::new(), Vec::new());
        for field in &one.fields {
            let other = two
                .fields
                .iter()
                .find(|other| other.name == field.name)
                .ok_or(Bad::Differ)?;
            let (f1, f2) = self.form(field.typed(), other.typed(), depth + 1)?;
            fields.0.push((field.name.clone(), f1));
            fields.1.push((field.name.clone(), f2));
        }
        Ok((
            Form::plain(What::Fields(fields.0)),
            Form::plain(What::Fields(fields.1)),
        ))
    }

    fn range(&self, one: &TypeInfo, two: &TypeInfo, depth: usize) -> Result<Forms, Bad> {
        let (Some(s1), Some(s2)) = (one.subtype, two.subtype) else {
            return Err(Bad::Unknown);
        };
        let (f1, f2) = self.form((s1, -1), (s2, -1), depth + 1)?;
        if !one.sends || !two.sends {
            return Ok(both(What::Text));
        }
        // Bounds are sent by the subtype's own function.
        if f1.flat() && f2.flat() {
            let textual = f1.textual();
            return Ok(both(What::Image { textual }));
        }
        let of = |bound| {
            let range = Form::plain(What::Range(Box::new(bound)));
            match one.kind.as_str() {
                "m" => Form::plain(What::Ranges(Box::new(range))),
                _ => range,
            }
        };
        Ok((of(f1), of(f2)))
    }
}

fn both(what: What) -> Forms {
    (Form::plain(what.clone()), Form::plain(what))
}

fn is_builtin(info: &TypeInfo) -> bool {
    info.schema == "pg_catalog" && info.kind == "b" && info.element.is_none()
}

fn base_of<'a>(
    types: &'a Types,
    info: &'a TypeInfo,
    typmod: i32,
) -> Result<(&'a TypeInfo, i32), Bad> {
    let (mut now, mut typmod) = (info, typmod);
    for _ in 0..MAX_DEPTH {
        match (now.kind.as_str(), now.base) {
            ("d", Some(base)) => {
                typmod = now.typmod;
                now = types.get(base).ok_or(Bad::Unknown)?;
            }
            _ => return Ok((now, typmod)),
        }
    }
    Err(Bad::Unknown)
}

fn through_base(types: &Types, info: &TypeInfo, base: &TypeInfo, form: Form) -> Form {
    if info.kind != "d" || form.cast.is_some() {
        return form;
    }
    Form {
        cast: Some(types.sql(base.oid)),
        what: form.what,
    }
}

/// The operand as its base type.
fn based(form: &Form, operand: &str) -> String {
    match &form.cast {
        Some(to) => format!("({operand})::{to}"),
        None => operand.to_owned(),
    }
}

fn write(form: &Form, operand: &str, flavour: Flavour, encoding: Encoding) -> String {
    let operand = based(form, operand);
    if encoding == Encoding::Raw && form.textual() {
        return raw(&stored_text(form, &operand));
    }
    match &form.what {
        What::Builtin { name, send } => match (name.as_str(), flavour) {
            (_, Flavour::Send) | ("bytea", _) => one_nan(name, "", &operand),
            _ => send.replace('$', &one_nan(name, "", &operand)),
        },
        What::Enum => format!("pg_catalog.enum_send({operand})"),
        What::Image { .. } => image(&operand),
        What::Padded | What::Text => match flavour {
            Flavour::Send => output(&operand),
            Flavour::Bytes => format!("pg_catalog.textsend({})", output(&operand)),
        },
        // The second of the numbers at its start says whether there is a bitmap of nulls, the third is that of the
        // element type. A null among the elements has a length of its own.
        What::Array { builtin, .. } => format!(
            "pg_catalog.\"overlay\"(pg_catalog.array_send({}), \
             '\\x0000000000000000'::pg_catalog.bytea, 5, 8)",
            match builtin {
                Some(name) => one_nan(name, "[]", &operand),
                None => operand,
            }
        ),
        What::Elements(element) => parts(
            &operand,
            &[
                format!("pg_catalog.array_dims({operand})"),
                elements(element, &operand, encoding),
            ],
        ),
        What::Ranges(range) => parts(&operand, &[elements(range, &operand, encoding)]),
        // A bound that is NULL is infinite.
        What::Range(bound) => {
            let bound = |function: &str| {
                let value = format!("pg_catalog.{function}({operand})");
                write(bound, &value, Flavour::Send, encoding)
            };
            let flag = |function: &str| format!("pg_catalog.{function}({operand})");
            parts(
                &operand,
                &[
                    flag("isempty"),
                    flag("lower_inc"),
                    bound("lower"),
                    bound("upper"),
                    flag("upper_inc"),
                ],
            )
        }
        What::Fields(fields) => {
            let list: Vec<String> = fields
                .iter()
                .map(|(name, form)| {
                    let field = format!("({operand}).{}", quote_ident(name));
                    write(form, &field, Flavour::Send, encoding)
                })
                .collect();
            parts(&operand, &list)
        }
        What::Set(set) => sets::write(*set, &operand),
    }
}

/// What the type's send function gives, with its length; found by the type, whatever its name and its argument.
/// Before it are the number of columns and the type's number.
fn image(operand: &str) -> String {
    format!("pg_catalog.substr(pg_catalog.record_send(ROW({operand})), 9)")
}

/// The parts of a value, NULL for NULL.
fn parts(operand: &str, parts: &[String]) -> String {
    format!(
        "CASE WHEN {} THEN pg_catalog.record_send(ROW({})) END",
        present(operand),
        parts.join(", ")
    )
}

/// A function in FROM would make a row of nulls of an element that is NULL: the elements are taken
/// apart in a list of results. The name is that of a relation, which comes before any column's.
fn elements(element: &Form, operand: &str, encoding: Encoding) -> String {
    let inner = write(element, "pgl_e.element", Flavour::Send, encoding);
    format!(
        "ARRAY(SELECT pg_catalog.record_send(ROW({inner})) FROM \
         (SELECT pg_catalog.unnest({operand}) OFFSET 0) AS pgl_e (element))"
    )
}

/// A value of a built-in type, or an array of it (`[]`), with one bit pattern for each NaN in it: read from its text
/// where there is any.
fn one_nan(name: &str, array: &str, operand: &str) -> String {
    let is_nan = |operand: &str| format!("{operand} OPERATOR(pg_catalog.=) 'NaN'");
    let found = match (name, array) {
        ("float4" | "float8", "") => is_nan(operand),
        ("float4" | "float8", _) => {
            format!("'NaN'::pg_catalog.{name} OPERATOR(pg_catalog.=) ANY ({operand})")
        }
        ("point", "") => [0, 1]
            .map(|at| is_nan(&format!("({operand})[{at}]")))
            .join(" OR "),
        _ if FLOATS.contains(&name) => {
            format!(
                "pg_catalog.strpos(({operand})::pg_catalog.text, 'NaN') OPERATOR(pg_catalog.>) 0"
            )
        }
        _ => return operand.to_owned(),
    };
    format!(
        "CASE WHEN {found} THEN (({operand})::pg_catalog.text)::pg_catalog.{}{array} ELSE {operand} END",
        quote_ident(name)
    )
}

/// The text that is stored, in the server's encoding, or what is printed of it.
fn stored_text(form: &Form, operand: &str) -> String {
    match &form.what {
        What::Builtin { name, .. } => match name.as_str() {
            "text" | "varchar" => operand.to_owned(),
            // A cast to text would drop the blanks at its end.
            "bpchar" => output(operand),
            _ => format!("({operand})::pg_catalog.text"),
        },
        // The cast drops the blanks at the end: how many there are follows from the type, in bytes where
        // the server knows no characters.
        What::Padded => format!("({operand})::pg_catalog.text"),
        What::Enum => format!("(pg_catalog.enum_out({operand}))::pg_catalog.text"),
        _ => output(operand),
    }
}

fn raw(text: &str) -> String {
    format!("pg_catalog.convert_to({text}, 'SQL_ASCII')")
}

mod hash;
mod sets;
#[cfg(test)]
mod tests;
