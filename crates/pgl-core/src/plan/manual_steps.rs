//! What pglogical does not carry: the list that an operator works through.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{ManualStep, PlanTable, Set};
use crate::facts::objects::{Persistence, RelKind, Relation, View, ViewLink};
use crate::facts::server::Override;
use crate::facts::{Facts, NotRun};
use crate::rules::recompute_sql;

/// Everything to do by hand, or by a later tool on demand. Sections that could not be read add
/// nothing here: the check of the same id reports itself as not run.
pub(super) fn list(
    facts: &Facts,
    view: &View<'_>,
    tables: &[PlanTable],
) -> Result<Vec<ManualStep>, NotRun> {
    let mut list = List(Vec::new());
    large_objects(facts, &mut list);
    matviews(view, &mut list);
    recopies(tables, &mut list);
    recomputed(facts, view, &mut list);
    for relation in view.users() {
        match relation.kind {
            RelKind::Foreign => list.add(
                "tbl.foreign",
                Some(relation.qualified().to_string()),
                "its rows lie on another server: see that the target can reach it, with user mappings",
            ),
            RelKind::Partitioned if !relation.partition => list.add(
                "tbl.partitioned",
                Some(relation.qualified().to_string()),
                "create partitions for the whole time of the migration now: one that is attached \
                 later has to be added with pgl-control add-table",
            ),
            _ => {}
        }
    }
    extension_rows(facts, &mut list);
    settings(facts, &mut list);
    cron(facts, &mut list);
    roles(facts, &mut list);
    for sequence in view.sequences()? {
        if sequence.persistence == Persistence::Unlogged {
            list.add(
                "seq.unlogged",
                Some(sequence.qualified().to_string()),
                "an unlogged sequence starts over after a crash; copy its value with pgl-seqsync",
            );
        }
    }
    Ok(list.0)
}

struct List(Vec<ManualStep>);

impl List {
    fn add(&mut self, id: &str, object: Option<String>, action: impl Into<String>) {
        self.0.push(ManualStep {
            id: id.to_owned(),
            object,
            action: action.into(),
        });
    }
}

fn large_objects(facts: &Facts, list: &mut List) {
    if let Ok(large) = facts.source.objects.large_objects.get()
        && large.count > 0
    {
        list.add(
            "obj.large_objects",
            None,
            "cut over with pgl-cutover --large-objects, or copy them while writes are stopped: \
             pg_dump -Fc -a -b, then only the BLOB entries of its table of contents",
        );
    }
}

fn recopies(tables: &[PlanTable], list: &mut List) {
    for table in tables.iter().filter(|table| table.recopy_at_cutover) {
        let (id, action) = match table.set {
            Set::Excluded => (
                "tbl.unlogged",
                "pgl-cutover copies its rows; without it, copy them while writes are stopped",
            ),
            _ => (
                "tbl.no_key_mutations",
                "UPDATE and DELETE are not replicated: pgl-cutover copies it again; without it, copy it \
                 while writes are stopped",
            ),
        };
        list.add(id, Some(table.qualified().to_string()), action);
    }
}

fn recomputed(facts: &Facts, view: &View<'_>, list: &mut List) {
    for column in facts.generated.get().into_iter().flatten() {
        let table = view.relation(column.relation).map(Relation::qualified);
        if let Some(table) = table
            && let Some(sql) = recompute_sql(&table, column)
        {
            let action = format!("after the promotion, on the target: {sql}");
            list.add("tbl.generated_values", Some(table.to_string()), action);
        }
    }
}

fn matviews(view: &View<'_>, list: &mut List) {
    for (place, relation) in refresh_order(view).into_iter().enumerate() {
        let action = format!(
            "REFRESH MATERIALIZED VIEW on the target after the cutover (number {} in order of dependency)",
            place + 1
        );
        list.add(
            "obj.matviews",
            Some(relation.qualified().to_string()),
            action,
        );
    }
}

/// The user's populated materialised views, each after those that it reads, also through views;
/// by name where the order is free.
pub fn refresh_order<'a>(view: &View<'a>) -> Vec<&'a Relation> {
    let empty = Vec::new();
    let links = view.objects().view_links.get().unwrap_or(&empty);
    let mut needs: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    for ViewLink { view, needs: other } in links {
        needs.entry(*view).or_default().insert(*other);
    }
    let mut waiting: BTreeMap<(String, String), &Relation> = view
        .users()
        .filter(|one| one.kind == RelKind::MatView && one.populated)
        .map(|one| ((one.schema.clone(), one.name.clone()), one))
        .collect();
    let reached: HashMap<u32, BTreeSet<u32>> = waiting
        .values()
        .map(|one| (one.oid, reach(&needs, one.oid)))
        .collect();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let reads = |one: &Relation, other: &Relation| {
            other.oid != one.oid
                && reached
                    .get(&one.oid)
                    .is_some_and(|all| all.contains(&other.oid))
        };
        let free = waiting
            .iter()
            .find(|(_, one)| !waiting.values().any(|other| reads(one, other)))
            .or_else(|| waiting.iter().next())
            .map(|(name, _)| name.clone());
        ordered.extend(free.and_then(|name| waiting.remove(&name)));
    }
    ordered
}

/// Everything that a view reads, directly or not.
fn reach(needs: &HashMap<u32, BTreeSet<u32>>, from: u32) -> BTreeSet<u32> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        for next in needs.get(&here).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

fn extension_rows(facts: &Facts, list: &mut List) {
    let Ok(config) = facts.source.objects.extension_config.get() else {
        return;
    };
    for one in config.iter().filter(|one| one.user_rows != Some(0)) {
        let action = format!(
            "rows of your own in this table of extension {} are not replicated: copy them",
            one.extension
        );
        list.add("tbl.extension_config", Some(one.name.clone()), action);
    }
}

fn settings(facts: &Facts, list: &mut List) {
    let Ok(settings) = facts.source.server.database_settings() else {
        return;
    };
    let there = facts.target();
    let there = there.and_then(|target| target.server.database_settings());
    let there = there.unwrap_or_default();
    for one in settings.difference(&there) {
        let Override { role, name, .. } = one;
        // pgl-cutover sets what the target does not have.
        if !there
            .iter()
            .any(|here| (&here.role, &here.name) == (role, name))
        {
            continue;
        }
        let role = role.as_ref();
        let of = role.map_or(String::new(), |role| format!(" for role {role}"));
        let action =
            format!("the target has another value of {name}{of}, which stays unless you change it");
        list.add("obj.db_role_settings", Some(name.clone()), action);
    }
}

fn cron(facts: &Facts, list: &mut List) {
    if let Ok(Some(_)) = facts.source.server.extension("pg_cron") {
        list.add(
            "ext.pg_cron",
            None,
            "create the jobs of pg_cron on the target at the cutover, and stop them on the source: \
             no job may run twice",
        );
    }
}

/// Roles that own or use something here. Without a target none is known to be there.
fn roles(facts: &Facts, list: &mut List) {
    let Ok(referenced) = facts.source.server.referenced_roles.get() else {
        return;
    };
    let there: BTreeSet<&str> = match facts.target().map(|target| target.server.roles.get()) {
        Ok(Ok(roles)) => roles.iter().map(|role| role.name.as_str()).collect(),
        _ => BTreeSet::new(),
    };
    for one in referenced {
        // Roles named pg_… are the server's own, and `public` is none.
        let own = one.role.starts_with("pg_") || one.role == "public";
        if !own && !there.contains(one.role.as_str()) {
            list.add(
                "role.missing_on_target",
                Some(one.role.clone()),
                "create the role on the target, with its password and memberships (pgl-setup --roles copy)",
            );
        }
    }
}
