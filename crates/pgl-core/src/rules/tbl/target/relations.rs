//! Tables that are missing on the target, are something else there, or hold rows already.

use std::collections::HashMap;

use crate::Severity;
use crate::Side::Target;
use crate::facts::objects::{Persistence, RelKind};
use crate::rules::common::alter;
use crate::rules::{Rule, both};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    both("tbl.target_not_empty", |both, emit| {
        // From the copy on they hold this migration's rows.
        if emit.facts.under_way() {
            return Ok(());
        }
        let occupied = both.target.objects().occupied.get()?.iter();
        let occupied: HashMap<u32, _> = occupied.map(|one| (one.relation, one)).collect();
        for (one, other) in both.pairs() {
            let (name, seen) = (one.qualified(), occupied.get(&other.oid));
            match seen.map(|seen| (seen.has_rows, seen.bytes)) {
                Some((Some(true), _)) => {
                    let what = format!("table {name} already holds rows on the target");
                    emit.find(Target, what).object(name);
                }
                Some((None, bytes)) => {
                    let what = format!(
                        "table {name} has {bytes} bytes on the target; whether it holds rows was not looked at"
                    );
                    emit.find(Target, what)
                        .object(name)
                        .severity(Severity::Warn);
                }
                Some((Some(false), _)) | None => {}
            }
        }
        Ok(())
    }),
    both("tbl.missing_on_target", |both, emit| {
        for one in both.source.carried() {
            let name = one.qualified();
            if both.target.named(&name).is_none() {
                let what = format!("the target has no table {name}");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
    both("tbl.kind_mismatch", |both, emit| {
        let others = both.pairs();
        for (one, other) in others.filter(|(_, other)| other.kind != RelKind::Table) {
            let (name, kind) = (one.qualified(), other.kind.as_str());
            let what = format!("table {name} is a {kind} on the target");
            emit.find(Target, what).object(name);
        }
        Ok(())
    }),
    both("tbl.unlogged_target", |both, emit| {
        for (one, other) in both.tables() {
            if other.persistence == Persistence::Unlogged {
                let name = one.qualified();
                let sql = alter(&name, "SET LOGGED");
                let what = format!("table {name} is unlogged on the target");
                emit.find(Target, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    both("tbl.only_on_target", |both, emit| {
        for other in both.target.tables() {
            let name = other.qualified();
            if both.source.named(&name).is_none() {
                let what = format!("table {name} exists only on the target");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
];
