//! Columns of the target's tables against the source's.

use super::by_name;
use crate::Side::Target;
use crate::facts::objects::{Generated, IdentityColumn};
use crate::name::{quote_ident, show_ident};
use crate::rules::common::{alter, block_if};
use crate::rules::type_fit::{Fit, fit};
use crate::rules::{Rule, both};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    both("tbl.column_mismatch", |both, emit| {
        for (one, other) in both.tables() {
            let there = by_name(both.target.columns(other.oid)?);
            for column in both.source.columns(one.oid)? {
                if there.contains_key(column.name.as_str()) {
                    continue;
                }
                let (name, shown) = (one.qualified(), show_ident(&column.name));
                let (quoted, of) = (quote_ident(&column.name), &column.type_name);
                let sql = alter(&name, format!("ADD COLUMN {quoted} {of}"));
                let sql = (column.generated == Generated::No).then_some(sql);
                let what = format!("table {name} has no column {shown} on the target");
                emit.find(Target, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    both("tbl.type_mismatch", |both, emit| {
        let source = emit.facts.source.server.version()?;
        let target = emit.facts.target()?.server.version()?;
        let same_major = source.major_num() == target.major_num();
        for (one, column, other) in both.columns()? {
            let (here, there) = (&column.type_name, &other.type_name);
            let fatal = match fit(here, there) {
                Fit::Same => continue,
                Fit::SameBytes => false,
                Fit::Wider => same_major,
                Fit::Other => true,
            };
            let (name, shown) = (one.qualified(), show_ident(&column.name));
            let quoted = quote_ident(&column.name);
            let sql = alter(&name, format!("ALTER COLUMN {quoted} TYPE {here}"));
            let what = format!(
                "column {shown} of table {name} is {here} on the source and {there} on the target"
            );
            let draft = emit.find(Target, what).object(name);
            draft.severity(block_if(fatal)).sql(sql);
        }
        Ok(())
    }),
    both("tbl.extra_notnull_target", |both, emit| {
        for (one, other) in both.tables() {
            let here = by_name(both.source.columns(one.oid)?);
            for column in both.target.columns(other.oid)? {
                let filled = column.has_default
                    || column.generated != Generated::No
                    || column.identity != IdentityColumn::No;
                if column.not_null && !filled && !here.contains_key(column.name.as_str()) {
                    let (name, shown) = (one.qualified(), show_ident(&column.name));
                    let sql = alter(&name, drop_not_null(&column.name));
                    let what = format!(
                        "column {shown} of table {name} exists only on the target, is NOT NULL and has no default"
                    );
                    emit.find(Target, what).object(name).sql(sql);
                }
            }
        }
        Ok(())
    }),
    both("tbl.not_null_target", |both, emit| {
        for (one, column, other) in both.columns()? {
            if other.not_null && !column.not_null {
                let (name, shown) = (one.qualified(), show_ident(&column.name));
                let sql = alter(&name, drop_not_null(&column.name));
                let what = format!(
                    "column {shown} of table {name} is NOT NULL on the target but not on the source"
                );
                emit.find(Target, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    both("tbl.generated_differs", |both, emit| {
        let word = |generated| match generated {
            Generated::No => "an ordinary column",
            Generated::Stored => "a stored generated column",
            Generated::Virtual => "a virtual generated column",
        };
        for (one, column, other) in both.columns()? {
            if column.generated != other.generated {
                let (name, shown) = (one.qualified(), show_ident(&column.name));
                let (here, there) = (word(column.generated), word(other.generated));
                let what = format!(
                    "column {shown} of table {name} is {here} on the source and {there} on the target"
                );
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
];

fn drop_not_null(column: &str) -> String {
    format!("ALTER COLUMN {} DROP NOT NULL", quote_ident(column))
}
