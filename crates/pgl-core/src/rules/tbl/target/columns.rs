//! Columns of the target's tables against the source's.

use super::{Both, by_name};
use crate::facts::Facts;
use crate::facts::objects::{Generated, IdentityColumn};
use crate::name::{quote_ident, show_ident};
use crate::rules::type_fit::{Fit, fit};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.column_mismatch", column_missing),
    ("tbl.type_mismatch", column_type),
    ("tbl.extra_notnull_target", extra_not_null),
    ("tbl.not_null_target", not_null),
    ("tbl.generated_differs", generated),
];

fn column_missing(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both.tables() {
        let there = by_name(both.target.columns(other.oid)?);
        for column in both.source.columns(one.oid)? {
            if there.contains_key(column.name.as_str()) {
                continue;
            }
            let (name, shown) = (one.qualified(), show_ident(&column.name));
            let draft = emit
                .find(
                    Side::Target,
                    format!("table {name} has no column {shown} on the target"),
                )
                .object(&name);
            if column.generated == Generated::No {
                draft.sql(format!(
                    "ALTER TABLE {} ADD COLUMN {} {};",
                    name.sql(),
                    quote_ident(&column.name),
                    column.type_name
                ));
            }
        }
    }
    Ok(())
}

fn column_type(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    let source = facts.source.server.identity.get()?.version;
    let target = facts.target()?.server.identity.get()?.version;
    let same_major = source.major_num() == target.major_num();
    for (one, column, other) in both.columns()? {
        let severity = match (fit(&column.type_name, &other.type_name), same_major) {
            (Fit::Same, _) => continue,
            (Fit::SameBytes, _) | (Fit::Wider, false) => Severity::Warn,
            (Fit::Wider, true) | (Fit::Other, _) => Severity::Block,
        };
        let (name, shown) = (one.qualified(), show_ident(&column.name));
        let (here, there) = (&column.type_name, &other.type_name);
        emit.find(
            Side::Target,
            format!(
                "column {shown} of table {name} is {here} on the source and {there} on the target"
            ),
        )
        .object(&name)
        .severity(severity)
        .sql(format!(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {here};",
            name.sql(),
            quote_ident(&column.name)
        ));
    }
    Ok(())
}

fn extra_not_null(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both.tables() {
        let here = by_name(both.source.columns(one.oid)?);
        for column in both.target.columns(other.oid)? {
            let filled = column.has_default
                || column.generated != Generated::No
                || column.identity != IdentityColumn::No;
            if here.contains_key(column.name.as_str()) || !column.not_null || filled {
                continue;
            }
            let (name, shown) = (one.qualified(), show_ident(&column.name));
            emit.find(
                Side::Target,
                format!("column {shown} of table {name} exists only on the target, is NOT NULL and has no default"),
            )
            .object(&name)
            .sql(format!(
                "ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;",
                name.sql(),
                quote_ident(&column.name)
            ));
        }
    }
    Ok(())
}

fn not_null(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, column, other) in both.columns()? {
        if other.not_null && !column.not_null {
            let (name, shown) = (one.qualified(), show_ident(&column.name));
            emit.find(
                Side::Target,
                format!(
                    "column {shown} of table {name} is NOT NULL on the target but not on the source"
                ),
            )
            .object(&name)
            .sql(format!(
                "ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;",
                name.sql(),
                quote_ident(&column.name)
            ));
        }
    }
    Ok(())
}

fn generated(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    let word = |generated| match generated {
        Generated::No => "an ordinary column",
        Generated::Stored => "a stored generated column",
        Generated::Virtual => "a virtual generated column",
    };
    for (one, column, other) in both.columns()? {
        if column.generated != other.generated {
            let (name, shown) = (one.qualified(), show_ident(&column.name));
            let (here, there) = (word(column.generated), word(other.generated));
            emit.find(
                Side::Target,
                format!("column {shown} of table {name} is {here} on the source and {there} on the target"),
            )
            .object(&name);
        }
    }
    Ok(())
}
