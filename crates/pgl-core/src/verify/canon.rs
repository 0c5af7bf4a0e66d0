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
    /// Both databases store text alike: the stored bytes are compared.
    Same,
    /// The encodings differ: text is compared as the server converts it to UTF-8.
    Converted,
    /// One side knows no encoding: bytes are compared as they are, nothing is converted.
    Raw,
}

/// Form of a value on one side; the builder makes both sides' forms alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    /// A cast to put before anything else, as SQL.
    cast: Option<String>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A built-in type whose number is the same on every server; its send call with `$` for the
    /// operand.
    Builtin { name: String, send: String },
    /// Bytes of the type's own send function.
    Send(String),
    /// Output text.
    Text,
    /// An array of elements of a built-in type.
    Array,
    /// Dimensions, then each element in its own form.
    Elements(Box<Form>),
    /// Each field in its own form, in the source's order.
    Fields(Vec<(String, Form)>),
}

impl Form {
    fn plain(what: What) -> Self {
        Self { cast: None, what }
    }

    fn cast(to: String, what: What) -> Self {
        Self {
            cast: Some(to),
            what,
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
pub enum Mismatch {
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
const BY_TEXT: &[&str] = &[
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
    "aclitem",
];

const MAX_DEPTH: usize = 16;

impl Canon {
    /// Chooses the form of one column from what both catalogs say.
    pub fn of(
        source: (&ColumnInfo, &Types),
        target: (&ColumnInfo, &Types),
        encoding: Encoding,
    ) -> Result<Self, Mismatch> {
        let build = Build {
            source: source.1,
            target: target.1,
        };
        match build.form(source.0.type_oid, target.0.type_oid, 0) {
            Ok((one, two)) => Ok(Self {
                column: quote_ident(&source.0.name),
                source: one,
                target: two,
                encoding,
            }),
            Err(Bad::Differ) => Err(Mismatch::Types {
                column: source.0.name.clone(),
                source_type: source.0.shown.clone(),
                target_type: target.0.shown.clone(),
            }),
            Err(Bad::Unknown) => Err(Mismatch::Unknown(source.0.name.clone())),
        }
    }

    /// The expression on one side, over the bare column name.
    pub fn sql(&self, side: Side, flavour: Flavour) -> String {
        let form = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        write(form, &self.column, flavour, self.encoding)
    }

    /// The column's name as SQL.
    pub fn column(&self) -> &str {
        &self.column
    }
}

enum Bad {
    Differ,
    Unknown,
}

type Forms = (Form, Form);

struct Build<'a> {
    source: &'a Types,
    target: &'a Types,
}

impl Build<'_> {
    fn form(&self, source: u32, target: u32, depth: usize) -> Result<Forms, Bad> {
        if depth > MAX_DEPTH {
            return Err(Bad::Unknown);
        }
        let one = self.source.get(source).ok_or(Bad::Unknown)?;
        let two = self.target.get(target).ok_or(Bad::Unknown)?;
        if one.kind == "d" || two.kind == "d" {
            let (b1, b2) = (base_of(self.source, one)?, base_of(self.target, two)?);
            let (f1, f2) = self.form(b1.oid, b2.oid, depth + 1)?;
            // The number of a domain must not get into a row image; a cast to its base removes it.
            return Ok((
                through_base(self.source, one, b1, f1),
                through_base(self.target, two, b2, f2),
            ));
        }
        if is_builtin(one) && is_builtin(two) && one.name != two.name {
            return Err(Bad::Differ);
        }
        if one.kind != two.kind || one.element.is_some() != two.element.is_some() {
            return Err(Bad::Differ);
        }
        if let (Some(e1), Some(e2)) = (one.element, two.element) {
            return self.array(e1, e2, depth);
        }
        if one.name != two.name {
            return Err(Bad::Differ);
        }
        match one.kind.as_str() {
            "e" => Ok(both(What::Text)),
            "c" => self.composite(one, two, depth),
            "r" | "m" => self.range(one, two, depth),
            _ if is_builtin(one) && BY_TEXT.contains(&one.name.as_str()) => Ok(both(What::Text)),
            _ => self.sent(one, two),
        }
    }

    fn sent(&self, one: &TypeInfo, two: &TypeInfo) -> Result<Forms, Bad> {
        let (Some(s1), Some(s2)) = (call(one, self.source), call(two, self.target)) else {
            return Ok(both(What::Text));
        };
        let what = |info: &TypeInfo, send: String| match is_builtin(info) {
            true => What::Builtin {
                name: info.name.clone(),
                send,
            },
            false => What::Send(send),
        };
        Ok((Form::plain(what(one, s1)), Form::plain(what(two, s2))))
    }

    fn array(&self, e1: u32, e2: u32, depth: usize) -> Result<Forms, Bad> {
        let (f1, f2) = self.form(e1, e2, depth + 1)?;
        let one = |form: Form| match (&form.what, &form.cast) {
            (What::Builtin { .. }, None) => Form::plain(What::Array),
            (What::Builtin { .. }, Some(to)) => Form::cast(format!("{to}[]"), What::Array),
            // Output and input of each element keep dimensions and lower bounds.
            (What::Text, _) => Form::cast(format!("{}[]", builtin_sql("text")), What::Array),
            _ => Form::plain(What::Elements(Box::new(form))),
        };
        Ok((one(f1), one(f2)))
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
            let (f1, f2) = self.form(field.type_oid, other.type_oid, depth + 1)?;
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
        let (inner, _) = self.form(s1, s2, depth + 1)?;
        // Bounds are sent by the subtype's own function; with numbers of one server inside, only
        // the text is portable.
        match inner.what {
            What::Builtin { .. } | What::Send(_) => {
                match (call(one, self.source), call(two, self.target)) {
                    (Some(c1), Some(c2)) => {
                        Ok((Form::plain(What::Send(c1)), Form::plain(What::Send(c2))))
                    }
                    _ => Ok(both(What::Text)),
                }
            }
            _ => Ok(both(What::Text)),
        }
    }
}

fn both(what: What) -> Forms {
    (Form::plain(what.clone()), Form::plain(what))
}

/// `schema.function(` … `)` with a cast inside where the function belongs to another type; `$`
/// stands for the operand. None where the type has no send function.
fn call(info: &TypeInfo, types: &Types) -> Option<String> {
    let send = info.send.as_ref()?;
    let function = format!("{}.{}", quote_ident(&send.schema), quote_ident(&send.name));
    let cast = match types.get(send.argument) {
        Some(argument) if argument.oid != info.oid && argument.kind == "b" => {
            format!("::{}", type_sql(argument))
        }
        _ => String::new(),
    };
    Some(format!("{function}(($){cast})"))
}

fn is_builtin(info: &TypeInfo) -> bool {
    info.schema == "pg_catalog" && info.kind == "b" && info.element.is_none()
}

fn base_of<'a>(types: &'a Types, info: &'a TypeInfo) -> Result<&'a TypeInfo, Bad> {
    let mut now = info;
    for _ in 0..MAX_DEPTH {
        match (now.kind.as_str(), now.base) {
            ("d", Some(base)) => now = types.get(base).ok_or(Bad::Unknown)?,
            _ => return Ok(now),
        }
    }
    Err(Bad::Unknown)
}

fn through_base(types: &Types, info: &TypeInfo, base: &TypeInfo, form: Form) -> Form {
    if info.kind != "d" || form.cast.is_some() {
        return form;
    }
    let to = match base.element.and_then(|element| types.get(element)) {
        Some(element) => format!("{}[]", type_sql(element)),
        None => type_sql(base),
    };
    Form::cast(to, form.what)
}

fn type_sql(info: &TypeInfo) -> String {
    format!("{}.{}", quote_ident(&info.schema), quote_ident(&info.name))
}

fn builtin_sql(name: &str) -> String {
    format!("pg_catalog.{}", quote_ident(name))
}

fn write(form: &Form, operand: &str, flavour: Flavour, encoding: Encoding) -> String {
    let operand = match &form.cast {
        Some(to) => format!("({operand})::{to}"),
        None => operand.to_owned(),
    };
    match &form.what {
        What::Builtin { name, send } => builtin(name, send, &operand, flavour, encoding),
        What::Send(call) => call.replace('$', &operand),
        What::Text => text(&format!("({operand})::pg_catalog.text"), flavour, encoding),
        What::Array => match flavour {
            Flavour::Send => operand,
            Flavour::Bytes => format!("pg_catalog.array_send({operand})"),
        },
        What::Elements(element) => {
            let inner = write(element, "e", Flavour::Send, encoding);
            format!(
                "CASE WHEN ({operand}) IS NOT NULL THEN pg_catalog.record_send(ROW(\
                 pg_catalog.array_dims({operand}), ARRAY(SELECT pg_catalog.record_send(\
                 ROW({inner})) FROM pg_catalog.unnest({operand}) AS e))) END"
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
            // IS NULL is true for a row of nulls as well; its text is null only without a row.
            format!(
                "CASE WHEN (({operand})::pg_catalog.text) IS NOT NULL THEN \
                 pg_catalog.record_send(ROW({})) END",
                list.join(", ")
            )
        }
    }
}

fn builtin(name: &str, send: &str, operand: &str, flavour: Flavour, encoding: Encoding) -> String {
    let sent = || send.replace('$', operand);
    match (name, flavour, encoding) {
        ("text" | "varchar", ..) => text(operand, flavour, encoding),
        // Its output keeps the padding, which a cast to text drops; concat makes no null.
        ("bpchar", _, Encoding::Raw) => format!(
            "CASE WHEN ({operand}) IS NOT NULL THEN {} END",
            raw(&format!("pg_catalog.concat({operand})"))
        ),
        (_, Flavour::Send, _) => operand.to_owned(),
        ("bytea", ..) => operand.to_owned(),
        _ => sent(),
    }
}

fn text(operand: &str, flavour: Flavour, encoding: Encoding) -> String {
    match (encoding, flavour) {
        (Encoding::Raw, _) => raw(&format!("({operand})::pg_catalog.text")),
        (_, Flavour::Send) => operand.to_owned(),
        (_, Flavour::Bytes) => {
            format!("pg_catalog.textsend(({operand})::pg_catalog.text)")
        }
    }
}

fn raw(text: &str) -> String {
    format!("pg_catalog.convert_to({text}, 'SQL_ASCII')")
}

mod hash;
#[cfg(test)]
mod tests;
