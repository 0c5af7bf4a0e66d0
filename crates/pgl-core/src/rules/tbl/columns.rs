//! Generated columns.

use crate::Side::Source;
use crate::facts::objects::{Generated, Relation, View};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule, carried};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    carried("tbl.generated_cols", |view, one, emit| {
        generated(view, one, emit, (Generated::Stored, "stored"))
    }),
    carried("tbl.generated_virtual", |view, one, emit| {
        generated(view, one, emit, (Generated::Virtual, "virtual"))
    }),
];

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
