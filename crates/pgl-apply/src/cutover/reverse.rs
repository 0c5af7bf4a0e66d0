//! Replication from the subscriber back to the old one, prepared and seen alive before the cutover.
//!
//! The slot is made by a statement and the subscription written around it: an old pglogical cannot
//! make its own slot on PostgreSQL 17 and later. Nothing goes round in circles, because either side
//! sends only what was written there (`forward_origins` is empty). Tables that are copied again at
//! the cutover take no part: a rollback copies them back.

use std::time::Duration;

use pgl_conn::{DsnText, Session};
use pgl_core::migration::Names;
use pgl_core::plan::Plan;
use pgl_core::teardown::{Removal, RemovalKind};
use pgl_core::{Lsn, QualifiedName};

use crate::provider::{self, Join, MemberToAdd};
use crate::{Error, Watch, copy, marker, pgl_schema, subscription, teardown};

/// What is to be prepared.
pub struct Back<'a> {
    /// Name of the migration.
    pub migration: &'a str,
    /// What the migration replicates.
    pub plan: &'a Plan,
    /// The subscriber as the provider's server reaches it, with pinned output settings.
    pub dsn: &'a DsnText,
    /// The provider as its own server reaches it, where it is not as pgl-setup has stored it.
    pub own_dsn: Option<&'a DsnText>,
    /// How long its worker may take to run.
    pub limit: Duration,
}

/// The names of the way back.
pub fn back_names(names: &Names) -> Names {
    Names {
        provider_node: names.subscriber_node.clone(),
        subscriber_node: names.provider_node.clone(),
        subscription: format!("{}_back", names.subscription),
    }
}

/// The slot of reverse replication, as pglogical on the provider will look for it.
///
/// # Errors
/// The server's.
pub fn slot(old: &mut Session, back: &Names) -> Result<String, pgl_conn::Error> {
    copy::slot_name(old, &back.provider_node, &back.subscription)
}

/// The tables of the way back.
pub fn tables(plan: &Plan) -> Vec<QualifiedName> {
    plan.replicated()
        .filter(|table| !table.recopy_at_cutover)
        .map(|table| table.qualified())
        .collect()
}

/// Prepares it where it is not there, and proves that a row travels.
///
/// # Errors
/// The servers'; [`Error::NotYet`] when the row does not arrive.
pub fn prepare(
    old: &mut Session,
    new: &mut Session,
    order: &Back<'_>,
    watch: &dyn Watch,
) -> Result<Names, Error> {
    let back = back_names(&order.plan.names);
    let its_tables = tables(order.plan);
    provider::grants(new, order.migration, Some(order.plan))?;
    let mut wanted = vec![MemberToAdd {
        set: "default",
        object: pgl_schema::marker(),
    }];
    wanted.extend(
        order
            .plan
            .replicated()
            .filter(|t| !t.recopy_at_cutover)
            .filter_map(|table| {
                Some(MemberToAdd {
                    set: table.set.name()?,
                    object: table.qualified(),
                })
            }),
    );
    new.batch("SET lock_timeout = '500ms'")?;
    let joined = provider::sets(new, &wanted, Join::Open, watch);
    new.batch("SET lock_timeout = 0")?;
    joined?;
    if subscription::find(old, &back.subscription)?.is_none() {
        if let Some(dsn) = order.own_dsn {
            provider::node_dsn(old, &back.subscriber_node, dsn)?;
        }
        let options = ["--reverse-dsn", "--reverse-subscriber-dsn"];
        subscription::rehearse(old, &back, order.dsn, options)?;
        let name = slot(old, &back)?;
        let lsn = make_slot(new, &name)?;
        let mut all = its_tables;
        all.push(pgl_schema::marker());
        subscription::create(old, &back, order.dsn, &name, lsn, &all)?;
    }
    // Causes are named by the sides of the migration; here its source is the subscriber.
    subscription::wait_running_unless(
        old,
        &back.subscription,
        order.limit,
        watch,
        &mut |_| Ok(()),
    )?;
    marker::write_and_wait(new, old, "reverse", order.limit, watch)?;
    Ok(back)
}

/// Removes reverse replication: its subscription on the source, its slot on the target. While clients
/// write to the source, rows that anybody writes on the target must not overwrite theirs. Tells whether
/// there was any.
///
/// # Errors
/// The servers'; [`Error::NotYet`] when something goes on reading the slot.
pub fn remove(
    source: &mut Session,
    target: &mut Session,
    names: &Names,
    watch: &dyn Watch,
) -> Result<bool, Error> {
    let back = back_names(names);
    let subscribed = subscription::find(source, &back.subscription)?.is_some();
    let slot = slot(source, &back)?;
    let found = subscribed
        || target.value::<bool>(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)",
            &[&slot],
            "whether reverse replication has a slot",
        )?;
    if !found {
        return Ok(false);
    }
    for (session, kind, object) in [
        (&mut *source, RemovalKind::Subscription, &back.subscription),
        (&mut *target, RemovalKind::Slot, &slot),
    ] {
        let removal = Removal {
            kind,
            side: session.side(),
            object: object.clone(),
            statements: Vec::new(),
            triggers: Vec::new(),
        };
        teardown::remove(session, &removal, watch)?;
    }
    Ok(true)
}

/// A slot with no subscription is of an attempt that was killed in between: its position is as good
/// as a new one, for nothing was written on the subscriber but by replication.
fn make_slot(new: &mut Session, name: &str) -> Result<Lsn, Error> {
    const POSITION: &str = "where the slot of reverse replication is";
    let found: Option<Option<String>> = new.value_opt(
        "SELECT s.confirmed_flush_lsn::text FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1",
        &[&name],
        POSITION,
    )?;
    let text: Option<String> = match found {
        Some(text) => text,
        None => new.query_one(
            "SELECT 1 FROM pg_catalog.pg_create_logical_replication_slot($1::text::name, 'pglogical_output')",
            &[&name],
        )
        .and_then(|_| {
            new.value(
                "SELECT s.confirmed_flush_lsn::text FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1",
                &[&name],
                POSITION,
            )
        })?,
    };
    let text = text.unwrap_or_default();
    text.parse().map_err(|_| {
        pgl_conn::Error::new(
            new.side(),
            pgl_conn::Kind::Protocol,
            format!("slot {name} has no position: {text:?}"),
        )
        .into()
    })
}
