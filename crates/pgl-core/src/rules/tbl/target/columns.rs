//! Columns of the target's tables against the source's.

use super::{Both, by_name};
use crate::facts::Facts;
use crate::facts::objects::{Generated, IdentityColumn};
use crate::name::{quote_ident, show_ident};
use crate::rules::type_fit::{Fit, fit};
use crate::rules::{Check, Emit, On, Ran};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "tbl.column_mismatch",
        severity: Severity::Block,
        on: On::Target,
        guardrail: true,
        title: "columns that the target's table does not have",
        why: "Copy and apply fail at a column that they cannot find.",
        remedy: "Add the column on the target.",
        run: column_missing,
    },
    Check {
        id: "tbl.type_mismatch",
        severity: Severity::Block,
        on: On::Target,
        guardrail: true,
        title: "columns of another type on the target",
        why: "Between equal major versions values travel in binary form and are misread; between others as text, which a narrower type refuses.",
        remedy: "Give the column the source's type.",
        run: column_type,
    },
    Check {
        id: "tbl.extra_notnull_target",
        severity: Severity::Block,
        on: On::Target,
        guardrail: true,
        title: "columns that only the target has, NOT NULL and without default",
        why: "No row of the source brings a value for them: every insert fails.",
        remedy: "Give the column a default, or drop NOT NULL until the cutover.",
        run: extra_not_null,
    },
    Check {
        id: "tbl.not_null_target",
        severity: Severity::Warn,
        on: On::Target,
        guardrail: false,
        title: "columns that are NOT NULL on the target only",
        why: "The first NULL that arrives stops the copy or the apply worker.",
        remedy: "Drop NOT NULL on the target, or set it on the source.",
        run: not_null,
    },
    Check {
        id: "tbl.generated_differs",
        severity: Severity::Block,
        on: On::Target,
        guardrail: true,
        title: "columns that are generated on one side only",
        why: "COPY refuses to write a generated column, and a column that only the source computes is not copied at all.",
        remedy: "Define the column alike on both sides.",
        run: generated,
    },
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
