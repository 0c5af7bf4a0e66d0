//! What stops the apply worker on the target: tables, columns, keys, roles and sequences that do
//! not fit what the source sends.
//!
//! These are circumstances: each is looked for only while replication stands, or where something of the table was dropped on
//! the target, and is proven by the log alone, except where it stops replication whatever is sent.

use super::members::{lacks_state, renamed, resync};
use super::{Cause, Seen, on_subscription};
use crate::status::facts::{SetTable, SourceClose, TargetClose, TargetTable};
use crate::{QualifiedName, Side, quote_ident};

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    found.extend(nonrecoverable(seen));
    let Some((source, target)) = seen.both().filter(|_| seen.subscription.is_some()) else {
        return;
    };
    for table in &source.tables {
        // What was dropped on the target stops replication at the next change of the table, if it has not yet.
        if seen.stopped() || lacks_state(seen, &table.table) {
            one_table(seen, table, found);
        }
    }
    if !seen.stopped() {
        return;
    }
    truncates(source, target, found);
    roles(source, target, found);
    sequences(source, target, found);
}

/// pglogical does not resume an initial copy that was interrupted.
fn nonrecoverable(seen: &Seen<'_>) -> Option<Cause> {
    let subscription = seen.subscription.filter(|_| seen.stopped())?;
    let Some(step @ ('s' | 'd' | 'c')) = subscription.sync_status else {
        return None;
    };
    // A worker that was started a moment ago may be on its way; one that runs is.
    Some(
        Cause::new(
            "copy.failed",
            Side::Target,
            "pglogical's initial copy failed and is never tried again",
        )
        .object(&subscription.name)
        .seen(format!(
            "the subscription is at step {step} and no worker runs; pglogical calls this a nonrecoverable step"
        ))
        .remedy("everything copied was rolled back. Fix the reason named beside this, drop the subscription, empty the target's tables, and run pgl-setup: its own copy starts again table by table")
        .sql(on_subscription("drop_subscription", &subscription.name)),
    )
}

fn one_table(seen: &Seen<'_>, table: &SetTable, found: &mut Vec<Cause>) {
    let name = &table.table;
    // What was dropped on the target took rows or values with it.
    let then = match lacks_state(seen, name) {
        true => format!(
            "; it was dropped on the target, so when replication runs again: {}",
            resync(std::slice::from_ref(name))
        ),
        false => String::new(),
    };
    let Some(there) = seen.there(name) else {
        let mut what = format!("{name} is replicated and does not exist on the target");
        let mut remedy = match then.is_empty() {
            true => "create it on the target with the source's definition; or take it out of its replication set on the source".to_owned(),
            false => format!("create it on the target with the source's definition{then}"),
        };
        let renamed = renamed(seen);
        if renamed.now.contains(name) {
            (what, remedy) = renamed.said();
        }
        found.push(
            Cause::new("apply.table_missing", Side::Target, what)
                .object(name)
                .likely()
                .seen("no such table in the target's catalog")
                .remedy(remedy),
        );
        return;
    };
    if there.kind == "p" {
        found.push(
            Cause::new(
                "apply.partitioned_target",
                Side::Target,
                format!("{name} is partitioned on the target and an ordinary table on the source: that crashes pglogical's apply worker and with it the server"),
            )
            .object(name)
            .likely()
            .seen("relkind p on the target")
            .remedy("make it an ordinary table on the target, or partition it on the source"),
        );
        return;
    }
    columns(seen, table, there, &then, found);
    if table.updates && !there.has_identity {
        found.push(
            Cause::new(
                "apply.key_missing",
                Side::Target,
                format!("{name} has no replica identity index on the target: no update or delete can be applied"),
            )
            .object(name)
            .likely()
            .seen("no valid primary key and no REPLICA IDENTITY index on the target")
            .remedy("create the primary key that the source has, then let pglogical try again"),
        );
    }
}

fn columns(
    seen: &Seen<'_>,
    table: &SetTable,
    there: &TargetTable,
    then: &str,
    found: &mut Vec<Cause>,
) {
    let name = &table.table;
    let lacking = |column: &&String| !there.columns.contains(column);
    if let Some(missing) = list(table.columns.iter().filter(lacking)) {
        found.push(
            Cause::new(
                "apply.column_missing",
                Side::Target,
                format!("{name} lacks on the target: {missing}"),
            )
            .object(name)
            .likely()
            .seen(format!("columns only on the source: {missing}"))
            .remedy(format!(
                "on the target, as on the source: ALTER TABLE {} {};{then}",
                name.sql(),
                (table.columns.iter().zip(&table.definitions))
                    .filter(|(column, _)| lacking(column))
                    .map(|(column, definition)| format!(
                        "ADD COLUMN {} {definition}",
                        quote_ident(column)
                    ))
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        );
    }
    let extra = |column: &&String| !table.columns.contains(column);
    if let Some(required) = list(there.required.iter().filter(extra)) {
        found.push(
            Cause::new(
                "apply.column_required",
                Side::Target,
                format!("{name} has columns on the target only that need a value: {required}"),
            )
            .object(name)
            .likely()
            .seen(format!(
                "NOT NULL without a default, only on the target: {required}"
            ))
            .remedy("give them a default, or drop NOT NULL, on the target"),
        );
    }
    if let Some(generated) = list(table.generated_left_out.iter()) {
        found.push(
            Cause::new(
                "apply.generated_left_out",
                Side::Source,
                format!("{name}: the replication set's column list leaves out a generated column; the first change crashes the whole target server"),
            )
            .object(name)
            .likely()
            .seen(format!("generated and not in the column list: {generated}"))
            .remedy("disable the subscription at once; then take the table out of its set and add it with all its columns, and copy it without pglogical (pgl-setup does)")
            .sql(on_subscription("alter_subscription_disable", seen.name()))
            .fix_on(Side::Target),
        );
    }
    let copying = seen.subscription.is_some_and(|sub| {
        matches!(sub.sync_kind, Some('d' | 'f')) && matches!(sub.sync_status, Some('d'))
    });
    let copied = |column: &&String| {
        copying && table.columns.contains(column) && there.generated.contains(column)
    };
    if let Some(generated) = list(table.generated.iter().filter(copied)) {
        found.push(
            Cause::new(
                "copy.generated_column",
                Side::Target,
                format!("{name} has a generated column, which pglogical's own copy cannot copy"),
            )
            .object(name)
            .likely()
            .seen(format!("generated: {generated}"))
            .remedy("drop the subscription and run pgl-setup: its own copy leaves generated columns to the target"),
        );
    }
}

/// The columns for people, where there are any.
fn list<'a>(columns: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<String> = columns.map(|name| quote_ident(name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// pglogical truncates one table at a time.
fn truncates(source: &SourceClose, target: &TargetClose, found: &mut Vec<Cause>) {
    for queued in source.queue.iter().filter(|queued| queued.kind == "T") {
        let (Some(schema), Some(table)) = (&queued.schema, &queued.name) else {
            continue;
        };
        let keys: Vec<_> = target
            .foreign_keys
            .iter()
            .filter(|key| &key.references_schema == schema && &key.references == table)
            .collect();
        let Some(first) = keys.first() else {
            continue;
        };
        let name = QualifiedName::new(schema, table);
        let drops: Vec<String> = keys
            .iter()
            .map(|key| {
                format!(
                    "ALTER TABLE {} DROP CONSTRAINT {};",
                    QualifiedName::new(&key.schema, &key.table).sql(),
                    quote_ident(&key.name)
                )
            })
            .collect();
        found.push(
            Cause::new(
                "apply.fk_truncate",
                Side::Target,
                format!("{name} was truncated on the source and is referenced by a foreign key on the target: it cannot be truncated there"),
            )
            .object(&name)
            .likely()
            .seen(format!(
                "a TRUNCATE of {name} is in pglogical's queue; {} of {} references it",
                first.name,
                QualifiedName::new(&first.schema, &first.table)
            ))
            .remedy("drop the foreign keys on the target and create them again at the cutover (pgl-setup defers them for that)")
            .sql(drops.join(" ")),
        );
    }
}

fn roles(source: &SourceClose, target: &TargetClose, found: &mut Vec<Cause>) {
    let mut named: Vec<&str> = Vec::new();
    for queued in source.queue.iter().filter(|queued| queued.kind == "Q") {
        let Some(role) = &queued.role else {
            continue;
        };
        if target.roles.is_empty() || target.roles.contains(role) || named.contains(&role.as_str())
        {
            continue;
        }
        named.push(role);
        found.push(
            Cause::new(
                "apply.role_missing",
                Side::Target,
                format!(
                    "a command of role {} was sent, which does not exist on the target",
                    quote_ident(role)
                ),
            )
            .object(role)
            .likely()
            .seen("pglogical's queue on the source holds a command of that role")
            .remedy("create the role on the target with the rights that the command needs")
            .sql(format!("CREATE ROLE {};", quote_ident(role))),
        );
    }
}

fn sequences(source: &SourceClose, target: &TargetClose, found: &mut Vec<Cause>) {
    for sequence in &source.sequences {
        let name = &sequence.sequence;
        let Some(there) = target.sequences.get(name) else {
            found.push(
                Cause::new(
                    "apply.sequence_missing",
                    Side::Target,
                    format!("the sequence {name} is replicated and does not exist on the target"),
                )
                .object(name)
                .likely()
                .seen("no such sequence in the target's catalog")
                .remedy("create it on the target; better still, take it out of its set on the source and let pgl-seqsync set it")
                .sql(format!("CREATE SEQUENCE {};", name.sql())),
            );
            continue;
        };
        if let Some(sent) = sequence.sent.filter(|sent| !there.contains(sent)) {
            let (min, max) = (*there.start(), *there.end());
            found.push(
                Cause::new(
                    "apply.sequence_bounds",
                    Side::Target,
                    format!("pglogical sends {sent} for the sequence {name}, which is out of its bounds"),
                )
                .object(name)
                .likely()
                .seen(format!("the target's sequence goes from {min} to {max}"))
                .remedy("take the sequence out of its set on the source, widen its bounds on the target until the message has passed, then restore them and let pgl-seqsync set the value")
                .sql(format!(
                    "ALTER SEQUENCE {} MINVALUE {} MAXVALUE {};",
                    name.sql(),
                    min.min(sent),
                    max.max(sent)
                )),
            );
        }
    }
}
