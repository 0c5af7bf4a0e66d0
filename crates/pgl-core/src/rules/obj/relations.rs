//! Large objects, views, indexes, foreign servers: what hangs beside the tables.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::facts::objects::{LargeObjects, RelKind, View};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule};
use crate::{QualifiedName, Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("obj.large_objects", large_objects),
    ("obj.matviews", matviews),
    ("obj.invalid_indexes", invalid_indexes),
    ("obj.views_on_syscat", views_on_syscat),
    ("obj.foreign_servers", foreign_servers),
];

fn large_objects(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let large = facts.source.objects.large_objects.get()?;
    if large.count > 0 {
        let more = if large.count >= LargeObjects::COUNT_LIMIT {
            "at least "
        } else {
            ""
        };
        let mib = large.bytes.div_ceil(1 << 20);
        emit.find(
            Side::Source,
            format!(
                "the database holds {more}{} large objects in {mib} MiB",
                large.count
            ),
        );
    }
    Ok(())
}

fn matviews(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.users().filter(|one| one.kind == RelKind::MatView) {
        let name = relation.qualified();
        let state = if relation.populated {
            ""
        } else {
            ", which holds no data now"
        };
        emit.find(Side::Source, format!("materialised view {name}{state}"))
            .object(&name);
    }
    Ok(())
}

fn invalid_indexes(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.users() {
        // The index of a partitioned table is invalid as long as a partition lacks its own.
        if relation.kind == RelKind::Partitioned {
            continue;
        }
        for index in view.indexes(relation.oid)? {
            if index.valid && index.ready {
                continue;
            }
            let (name, shown) = (relation.qualified(), show_ident(&index.name));
            let full = QualifiedName::new(&relation.schema, &index.name).sql();
            emit.find(Side::Source, format!("index {shown} of {name} is invalid"))
                .object(QualifiedName::new(&relation.schema, &index.name))
                .sql(format!("DROP INDEX CONCURRENTLY {full};"));
        }
    }
    Ok(())
}

fn views_on_syscat(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let source = facts.source.server.identity.get()?.version;
    let target = facts
        .target()
        .ok()
        .and_then(|target| target.server.identity.get().ok());
    let newer = target.is_some_and(|target| target.version.major_num() > source.major_num());
    let mut needs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for link in facts.source.objects.catalog_views.get()? {
        let relation = view.relation(link.view);
        if let Some(relation) = relation.filter(|one| one.extension.is_none() && view.wanted(one)) {
            needs
                .entry(relation.qualified().to_string())
                .or_default()
                .push(&link.needs);
        }
    }
    for (name, mut catalogs) in needs {
        catalogs.sort_unstable();
        catalogs.dedup();
        let what = format!("view {name} reads {}", catalogs.join(", "));
        emit.find(Side::Source, what)
            .object(name)
            .severity(if newer {
                Severity::Warn
            } else {
                Severity::Info
            });
    }
    Ok(())
}

fn foreign_servers(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let mut servers: Vec<_> = facts.source.objects.foreign_servers.get()?.iter().collect();
    servers.sort_by_key(|server| &server.name);
    for server in servers
        .into_iter()
        .filter(|server| server.extension.is_none())
    {
        let (name, wrapper) = (show_ident(&server.name), show_ident(&server.wrapper));
        emit.find(
            Side::Source,
            format!("foreign server {name} of wrapper {wrapper}"),
        )
        .object(&name);
    }
    Ok(())
}
