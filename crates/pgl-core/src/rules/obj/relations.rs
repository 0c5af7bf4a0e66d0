//! Large objects, views, indexes, foreign servers: what hangs beside the tables.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::facts::objects::{LargeObjects, RelKind, View};
use crate::name::show_ident;
use crate::rules::{Check, Emit, On, Ran};
use crate::{QualifiedName, Severity, Side};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "obj.large_objects",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "large objects",
        why: "Large objects are not decoded from the WAL: neither the copy nor the changes bring them to the target.",
        remedy: "Let pgl-cutover --large-objects carry them over, most of them before the pause; without it the cutover refuses to leave them behind. Or store them as bytea before the migration.",
        run: large_objects,
    },
    Check {
        id: "obj.matviews",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "materialised views",
        why: "pglogical does not carry their contents: they are as old as their last refresh on the target.",
        remedy: "Pgl-setup refreshes them in the order of their dependencies; refresh again after the cutover.",
        run: matviews,
    },
    Check {
        id: "obj.invalid_indexes",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "invalid indexes",
        why: "A schema dump leaves out an index that is invalid, or builds it anew and fails where its uniqueness is broken.",
        remedy: "Drop the index, or rebuild it with REINDEX.",
        run: invalid_indexes,
    },
    Check {
        id: "obj.views_on_syscat",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "views over the server's own views",
        why: "These change from version to version: the restore of the view may fail for a column that is gone.",
        remedy: "Compare the columns that the view uses with the target's version; drop the view if nobody needs it.",
        run: views_on_syscat,
    },
    Check {
        id: "obj.foreign_servers",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "foreign servers",
        why: "Their options name hosts that the target may not reach, and a dump made without superuser rights leaves out the passwords of user mappings.",
        remedy: "See that the target reaches them, and create the user mappings again where needed.",
        run: foreign_servers,
    },
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
