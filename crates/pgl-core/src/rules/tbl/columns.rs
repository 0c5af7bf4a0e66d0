//! Generated and identity columns.

use crate::Severity;
use crate::Side::Source;
use crate::facts::Facts;
use crate::facts::objects::{Generated, IdentityColumn, View};
use crate::name::show_ident;
use crate::rules::{Check, Emit, On, Ran};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "tbl.generated_cols",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "stored generated columns",
        why: "pglogical's own copy fails on them, and a column list that omits them makes the apply worker crash the target server again and again.",
        remedy: "Keep pgl-setup's own copy (--copy parallel, the default) and the full row in the replication set; never use a column list on this table.",
        run: |facts, emit| generated(facts, emit, Generated::Stored),
    },
    Check {
        id: "tbl.generated_virtual",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "virtual generated columns",
        why: "pglogical's own copy fails on them as on stored ones; replication of the full row was seen to work from 18 to 18, and nowhere else yet.",
        remedy: "Keep pgl-setup's own copy (--copy parallel, the default) and the full row in the replication set; never use a column list on this table, and verify it before the cutover.",
        run: |facts, emit| generated(facts, emit, Generated::Virtual),
    },
    Check {
        id: "tbl.identity_always",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "columns GENERATED ALWAYS AS IDENTITY",
        why: "Copy and apply write their values as they are; the sequences behind them have to be carried separately.",
        remedy: "Nothing beyond pgl-seqsync.",
        run: identity_always,
    },
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
