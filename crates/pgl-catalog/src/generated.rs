//! What the target computes for stored generated columns of the source.
//!
//! Rows of the source are sampled, and the target computes the column's expression from their values; its own table is
//! not looked at. Only an expression of built-in functions over built-in types is computed, so that no code of a user
//! runs, and on the source no table is read for which the planner could run some.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgl_conn::{Access, CancelHandle, Endpoint, Error, Kind, Session, SessionOptions, ToSql};
use pgl_core::facts::objects::{Generated, Relation, View};
use pgl_core::facts::{Evaluation, Facts, GeneratedColumn, NotRun, Section};
use pgl_core::quote_ident;
use serde::Deserialize;

use crate::rows;
use crate::server::reason;
use crate::verify::run_by_planner;

/// Pages of a table that are read, about: spread over it, without a scan of the whole.
const PAGES: u64 = 64;
/// Rows that are read, where the table is larger than its last VACUUM knew.
const ROWS: u32 = 10_000;
/// Bytes of a table's rows that are read, as they are stored: values may be compressed, and lie outside of the pages.
const BYTES: u32 = 4 << 20;
/// What a statement may take: an expression may be slow on one value.
const STATEMENT: Duration = Duration::from_secs(10);
/// How long a lock is waited for.
const LOCK: Duration = Duration::from_secs(2);
/// What all of them may take.
const ALL: Duration = Duration::from_secs(60);

/// A column of `objects/generated.sql`.
#[derive(Deserialize)]
struct Found {
    relation: u32,
    name: String,
    expression: String,
    type_name: String,
    reads: Option<Vec<Read>>,
    not_built_in: Option<String>,
}

/// A column that an expression reads.
#[derive(Deserialize)]
struct Read {
    name: String,
    type_name: String,
    collation: Option<String>,
    /// GENERATED ALWAYS AS IDENTITY: an UPDATE sets it to DEFAULT alone.
    identity: bool,
}

/// Tries the generated columns of the tables that are carried, in sessions of its own.
///
/// # Errors
/// The user cancelled, or a connection was lost. Sessions that cannot be opened are a section that is unknown.
pub fn collect(
    (source, target): (&Endpoint, &Endpoint),
    tool: &'static str,
    facts: &Facts,
    on_session: &mut dyn FnMut(CancelHandle),
) -> Result<Section<Vec<GeneratedColumn>>, Error> {
    let tables = match stored(facts) {
        Ok(tables) if tables.is_empty() => return Ok(Section::Known(Vec::new())),
        Ok(tables) => tables,
        Err(NotRun(reason)) => return Ok(Section::Unknown(reason)),
    };
    let options = SessionOptions::new(tool, Access::ReadOnly)
        .statement_timeout(STATEMENT)
        .lock_timeout(LOCK);
    let mut open = |endpoint| {
        let session = Session::connect(endpoint, &options)?;
        on_session(session.cancel_handle());
        Ok(session)
    };
    let mut tried = || try_all(&mut open(source)?, &mut open(target)?, &tables);
    Ok(match usable(tried())? {
        Ok(all) => Section::Known(all),
        Err(error) => Section::Unknown(reason(&error)),
    })
}

/// The tables that are carried and have such columns, by OID; none where the target would not compute what it will.
fn stored(facts: &Facts) -> Result<HashMap<u32, &Relation>, NotRun> {
    facts.computes_as_target()?;
    let view = View::source(facts)?;
    let mut tables = HashMap::new();
    for table in view.carried() {
        let mut columns = view.columns(table.oid)?.iter();
        if columns.any(|column| column.generated == Generated::Stored) {
            tables.insert(table.oid, table);
        }
    }
    Ok(tables)
}

fn try_all(
    source: &mut Session,
    target: &mut Session,
    tables: &HashMap<u32, &Relation>,
) -> Result<Vec<GeneratedColumn>, Error> {
    let began = Instant::now();
    let run = run_by_planner(source)?;
    let found: Vec<Found> = rows(source, sql!("objects/generated"), &[])?;
    let mut all = Vec::new();
    for column in found {
        let Some(table) = tables.get(&column.relation) else {
            continue;
        };
        let reads = column.reads.as_deref().unwrap_or_default();
        let not_tried = if let Some(what) = &column.not_built_in {
            Some(format!("{what} is not built in"))
        } else if reads.is_empty() {
            Some("its expression reads no column".to_owned())
        } else if let Some(function) = run.get(&table.qualified()) {
            let why = "of another owner, which an index or statistics of the table call";
            Some(format!("the planner could run {function} {why}"))
        } else if began.elapsed() > ALL {
            let limit = ALL.as_secs();
            Some(format!("the columns before it took {limit} s"))
        } else {
            None
        };
        let evaluation = match not_tried {
            Some(reason) => Evaluation::NotTried { reason },
            None => evaluate(source, target, table, &column, reads)?,
        };
        all.push(GeneratedColumn {
            relation: column.relation,
            base: (reads.iter().find(|read| !read.identity)).map(|read| read.name.clone()),
            name: column.name,
            type_name: column.type_name,
            expression: column.expression,
            evaluation,
        });
    }
    Ok(all)
}

fn evaluate(
    source: &mut Session,
    target: &mut Session,
    table: &Relation,
    column: &Found,
    reads: &[Read],
) -> Result<Evaluation, Error> {
    let mut sample = match usable(sample(source, table, column, reads))? {
        Ok(sample) => sample,
        Err(error) => {
            let reason = reason(&error);
            return Ok(Evaluation::NotTried { reason });
        }
    };
    let stored = sample.pop().unwrap_or_default();
    let params: Vec<&(dyn ToSql + Sync)> = sample.iter().map(|one| one as _).collect();
    let computed = target.values(&expression(column, reads), &params, "a computed value");
    Ok(match usable(computed)? {
        Ok(computed) => Evaluation::compare(&stored, &computed),
        Err(error) if matches!(error.kind, Kind::Server | Kind::Denied) => Evaluation::Failed {
            message: reason(&error),
        },
        Err(error) => Evaluation::NotTried {
            reason: reason(&error),
        },
    })
}

/// Sets what ends the collection apart from what is said of one column.
fn usable<T>(read: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match read {
        Err(error) if error.is_lost() || error.kind == Kind::Cancelled => Err(error),
        read => Ok(read),
    }
}

/// The texts of the columns that the expression reads, and last those of the column itself.
fn sample(
    source: &mut Session,
    table: &Relation,
    column: &Found,
    reads: &[Read],
) -> Result<Vec<Vec<Option<String>>>, Error> {
    let names = reads.iter().map(|read| &read.name).chain([&column.name]);
    let (mut texts, mut values, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for (number, name) in names.enumerate() {
        let name = quote_ident(name);
        texts.push(text(&format!("v{number}")));
        values.push(format!("t.{name} AS v{number}"));
        sizes.push(format!("COALESCE(pg_catalog.pg_column_size(t.{name}), 0)"));
    }
    let (texts, values, sizes) = (texts.join(", "), values.join(", "), sizes.join(" + "));
    let (name, pages) = (table.qualified().sql(), (table.heap_bytes / 8192).max(1));
    let rows = source.query_text(&format!(
        "SELECT {texts} FROM (SELECT *, pg_catalog.sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS total \
         FROM (SELECT {values}, {sizes} AS size FROM ONLY {name} AS t \
         TABLESAMPLE pg_catalog.system(LEAST(100, 100.0 * {PAGES} / {pages})) REPEATABLE (0) LIMIT {ROWS}) AS s) AS w \
         WHERE total - size < {BYTES}"
    ))?;
    let mut columns = vec![Vec::new(); reads.len() + 1];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    Ok(columns)
}

/// The column's expression over the texts of the columns that it reads, one array for each.
fn expression(column: &Found, reads: &[Read]) -> String {
    let (mut arrays, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (number, read) in reads.iter().enumerate() {
        let collate = match &read.collation {
            Some(collation) => format!(" COLLATE pg_catalog.{}", quote_ident(collation)),
            None => String::new(),
        };
        let (name, of) = (quote_ident(&read.name), &read.type_name);
        arrays.push(format!(
            "pg_catalog.unnest(${}::pg_catalog.text[])",
            number + 1
        ));
        names.push(format!("v{number}"));
        values.push(format!("u.v{number}::{of}{collate} AS {name}"));
    }
    let (arrays, names, values) = (arrays.join(", "), names.join(", "), values.join(", "));
    let (text, of, expression) = (text("g.v"), &column.type_name, &column.expression);
    // What is written to the column is cast to its type.
    format!(
        "SELECT {text} FROM (SELECT ({expression})::{of} AS v \
         FROM (SELECT {values} FROM ROWS FROM ({arrays}) AS u ({names})) AS t OFFSET 0) AS g"
    )
}

/// A value as its type's output function writes it: a cast to text is another thing for `boolean` and `character`.
fn text(value: &str) -> String {
    format!("CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {value}) END")
}
