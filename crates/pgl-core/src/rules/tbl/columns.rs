//! Generated columns.

use crate::QualifiedName;
use crate::Severity::Info;
use crate::Side::{Source, Target};
use crate::facts::objects::{Generated, Relation, View};
use crate::facts::{Evaluation, GeneratedColumn};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Emit, Ran, Rule, carried, facts};
use crate::verify::outcome::exclude_column;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    carried("tbl.generated_cols", |view, one, emit| {
        generated(view, one, emit, (Generated::Stored, "stored"))
    }),
    carried("tbl.generated_virtual", |view, one, emit| {
        generated(view, one, emit, (Generated::Virtual, "virtual"))
    }),
    facts("tbl.generated_values", |facts, emit| {
        facts.target()?.server.identity.get()?;
        let view = View::source(facts)?;
        let columns = facts.generated.get()?;
        for (table, column) in view.with_relations(columns, |one| (one.relation, &one.name)) {
            evaluated(table, column, emit);
        }
        Ok(())
    }),
];

fn evaluated(table: &Relation, column: &GeneratedColumn, emit: &mut Emit<'_>) {
    let (name, shown) = (table.qualified(), show_ident(&column.name));
    let what = format!("column {shown} of table {name}");
    match &column.evaluation {
        Evaluation::Compared {
            rows,
            different,
            example: Some((source, target)),
        } => {
            let what = format!(
                "{what} has another value on the target in {different} of {rows} sampled rows: \
                 {source} on the source, {target} on the target"
            );
            let draft = emit.find(Target, what).object(&name).remedy(format!(
                "After the promotion, and not before it, have the target compute the column again (manual step). \
                 Until then pgl-verify reports the column as different; to compare the others: \
                 {}",
                exclude_column(&name, &column.name)
            ));
            if let Some(sql) = recompute_sql(&name, column) {
                draft.manual_sql(sql);
            }
        }
        Evaluation::Compared { .. } => {}
        Evaluation::Failed { message } => {
            let what = format!("{what} cannot be computed on the target: {message}");
            emit.find(Target, what).object(&name).remedy(
                "Change the expression on the source to one that both versions compute; pgl-setup would fail on the table or its rows.",
            );
        }
        Evaluation::NotTried { reason } => {
            let what = format!("{what} was not computed on the target: {reason}");
            emit.find(Target, what)
                .object(&name)
                .severity(Info)
                .remedy(format!(
                    "Compare the table after the setup: pgl-verify --table {}",
                    name.argument()
                ));
        }
    }
}

/// The statement that computes the column again where the target computes it with another result: an UPDATE does that
/// for the columns that read one that it sets. Values are compared as text, since not every type has an operator for it.
pub(crate) fn recompute_sql(table: &QualifiedName, column: &GeneratedColumn) -> Option<String> {
    match column.evaluation {
        Evaluation::Compared { different: 1.., .. } => {}
        _ => return None,
    }
    let base = quote_ident(column.base.as_ref()?);
    let (table, name) = (table.sql(), quote_ident(&column.name));
    let (expression, of) = (&column.expression, &column.type_name);
    Some(format!(
        "UPDATE {table} SET {base} = {base} WHERE {name}::text IS DISTINCT FROM ({expression})::{of}::text COLLATE \"C\";"
    ))
}

fn generated(
    view: &View<'_>,
    one: &Relation,
    emit: &mut Emit<'_>,
    (kind, word): (Generated, &str),
) -> Ran {
    let columns = view.columns(one.oid)?.iter();
    let columns = columns.filter(|column| column.generated == kind);
    let columns: Vec<String> = columns.map(|column| show_ident(&column.name)).collect();
    if !columns.is_empty() {
        let (name, columns) = (one.qualified(), columns.join(", "));
        let what = format!("table {name} has {word} generated columns: {columns}");
        emit.find(Source, what).object(name);
    }
    Ok(())
}
