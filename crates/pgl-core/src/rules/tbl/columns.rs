//! Generated and identity columns.

use crate::Side::Source;
use crate::facts::Facts;
use crate::facts::objects::{Generated, IdentityColumn, View};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.generated_cols", |facts, emit| {
        generated(facts, emit, Generated::Stored)
    }),
    ("tbl.generated_virtual", |facts, emit| {
        generated(facts, emit, Generated::Virtual)
    }),
    ("tbl.identity_always", identity_always),
];

fn generated(facts: &Facts, emit: &mut Emit<'_>, kind: Generated) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        let columns: Vec<String> = view
            .columns(relation.oid)?
            .iter()
            .filter(|column| column.generated == kind)
            .map(|column| show_ident(&column.name))
            .collect();
        if columns.is_empty() {
            continue;
        }
        let (name, columns) = (relation.qualified(), columns.join(", "));
        let word = if kind == Generated::Stored {
            "stored"
        } else {
            "virtual"
        };
        emit.find(
            Source,
            format!("table {name} has {word} generated columns: {columns}"),
        )
        .object(&name);
    }
    Ok(())
}

fn identity_always(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        for column in view.columns(relation.oid)? {
            if column.identity == IdentityColumn::Always {
                let (name, column) = (relation.qualified(), show_ident(&column.name));
                emit.find(
                    Source,
                    format!("column {column} of table {name} is GENERATED ALWAYS AS IDENTITY"),
                )
                .object(&name);
            }
        }
    }
    Ok(())
}
