//! Large objects, views, indexes, foreign servers: what hangs beside the tables.

use std::collections::{BTreeMap, BTreeSet};

use crate::Side::Source;
use crate::facts::objects::{LargeObjects, RelKind};
use crate::name::show_ident;
use crate::rules::common::warn_if;
use crate::rules::{Rule, facts, objects};
use crate::{QualifiedName, plural};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    facts("obj.large_objects", |facts, emit| {
        let LargeObjects { count, bytes } = *facts.source.objects.large_objects.get()?;
        if count > 0 {
            let limited = count >= LargeObjects::COUNT_LIMIT;
            let more = if limited { "at least " } else { "" };
            let mib = bytes.div_ceil(1 << 20);
            let what = format!(
                "the database holds {more}{} in {mib} MiB",
                plural(count, "large object")
            );
            emit.find(Source, what);
        }
        Ok(())
    }),
    objects("obj.matviews", |view, emit| {
        for one in view.users().filter(|one| one.kind == RelKind::MatView) {
            let name = one.qualified();
            let state = if one.populated {
                ""
            } else {
                ", which holds no data now"
            };
            emit.find(Source, format!("materialised view {name}{state}"))
                .object(name);
        }
        Ok(())
    }),
    objects("obj.invalid_indexes", |view, emit| {
        // The index of a partitioned table is invalid as long as a partition lacks its own.
        for relation in view.users().filter(|one| one.kind != RelKind::Partitioned) {
            let indexes = view.indexes(relation.oid)?.iter();
            for index in indexes.filter(|index| !index.valid || !index.ready) {
                let (name, shown) = (relation.qualified(), show_ident(&index.name));
                let full = QualifiedName::new(&relation.schema, &index.name);
                let sql = format!("DROP INDEX CONCURRENTLY {};", full.sql());
                let what = format!("index {shown} of {name} is invalid");
                emit.find(Source, what).object(full).sql(sql);
            }
        }
        Ok(())
    }),
    objects("obj.views_on_syscat", |view, emit| {
        let source = emit.facts.source.server.version()?;
        let target = emit.facts.target();
        let target = target.and_then(|target| target.server.version());
        let newer = target.is_ok_and(|target| target.major_num() > source.major_num());
        let mut needs: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for link in view.objects().catalog_views.get()? {
            let relation = view.relation(link.view);
            if let Some(one) = relation.filter(|one| one.extension.is_none() && view.wanted(one)) {
                let name = one.qualified().to_string();
                needs.entry(name).or_default().insert(&link.needs);
            }
        }
        for (name, catalogs) in needs {
            let catalogs = catalogs.into_iter().collect::<Vec<_>>().join(", ");
            let what = format!("view {name} reads {catalogs}");
            let draft = emit.find(Source, what).object(name);
            draft.severity(warn_if(newer));
        }
        Ok(())
    }),
    facts("obj.foreign_servers", |facts, emit| {
        let servers = facts.source.objects.foreign_servers.get()?.iter();
        let mut servers: Vec<_> = servers.filter(|one| one.extension.is_none()).collect();
        servers.sort_by_key(|server| &server.name);
        for server in servers {
            let (name, wrapper) = (show_ident(&server.name), show_ident(&server.wrapper));
            let what = format!("foreign server {name} of wrapper {wrapper}");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
];
