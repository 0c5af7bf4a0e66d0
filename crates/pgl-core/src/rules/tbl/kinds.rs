//! Relations that are not plain logged tables of the user.

use crate::Side::Source;
use crate::facts::Facts;
use crate::facts::objects::{Persistence, RelKind, View};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.unlogged", unlogged),
    ("tbl.temp", temp),
    ("tbl.partitioned", partitioned),
    ("tbl.inheritance", inheritance),
    ("tbl.foreign", foreign),
    ("tbl.extension_owned", extension_owned),
    ("tbl.extension_config", extension_config),
    ("tbl.with_oids", with_oids),
];

fn unlogged(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    // 9.4 cannot make a table logged in place.
    let alterable = facts.source.server.version()?.at_least_num(90_500);
    for relation in view
        .tables()
        .filter(|one| one.persistence == Persistence::Unlogged)
    {
        let name = relation.qualified();
        let draft = emit
            .find(Source, format!("table {name} is unlogged"))
            .object(&name);
        if alterable {
            draft.sql(format!("ALTER TABLE {} SET LOGGED;", name.sql()));
        }
    }
    Ok(())
}

fn temp(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let count = facts.source.objects.database.get()?.temporary_tables;
    if count > 0 {
        emit.find(
            Source,
            format!("sessions hold {count} temporary tables at this moment"),
        );
    }
    Ok(())
}

fn partitioned(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut leaves = std::collections::HashMap::new();
    for leaf in view
        .relations()
        .filter(|one| one.partition && one.kind != RelKind::Partitioned)
    {
        for above in view.above(leaf) {
            *leaves.entry(above.oid).or_insert(0_usize) += 1;
        }
    }
    let roots =
        |one: &&crate::facts::objects::Relation| one.kind == RelKind::Partitioned && !one.partition;
    for root in view.users().filter(roots) {
        let (name, count) = (root.qualified(), leaves.get(&root.oid).unwrap_or(&0));
        emit.find(
            Source,
            format!("table {name} is partitioned into {count} leaves"),
        )
        .object(&name);
    }
    Ok(())
}

fn inheritance(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for child in view.users().filter(|one| !one.partition) {
        let parents: Vec<String> = view
            .parents(child.oid)
            .map(|one| one.qualified().to_string())
            .collect();
        if !parents.is_empty() {
            let (name, parents) = (child.qualified(), parents.join(", "));
            emit.find(Source, format!("table {name} inherits from {parents}"))
                .object(&name);
        }
    }
    Ok(())
}

fn foreign(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.users().filter(|one| one.kind == RelKind::Foreign) {
        let name = relation.qualified();
        emit.find(
            Source,
            format!("{name} is a foreign table; its rows are not copied"),
        )
        .object(&name);
    }
    Ok(())
}

fn extension_owned(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.relations().filter(|one| one.kind == RelKind::Table) {
        if let Some(extension) = &relation.extension {
            let (name, extension) = (relation.qualified(), show_ident(extension));
            emit.find(
                Source,
                format!("table {name} belongs to extension {extension}"),
            )
            .object(&name);
        }
    }
    Ok(())
}

fn extension_config(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for one in facts.source.objects.extension_config.get()? {
        let (name, extension) = (&one.name, show_ident(&one.extension));
        let what = match one.user_rows {
            Some(0) => continue,
            Some(1000..) => {
                format!("table {name} of extension {extension} holds 1000 or more rows of your own")
            }
            Some(rows) => {
                format!("table {name} of extension {extension} holds {rows} rows of your own")
            }
            None => format!(
                "table {name} of extension {extension} may hold rows of your own: it could not be read"
            ),
        };
        emit.find(Source, what).object(name);
    }
    Ok(())
}

fn with_oids(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.tables().filter(|one| one.oids) {
        let name = relation.qualified();
        emit.find(Source, format!("table {name} has the hidden column oid"))
            .object(&name)
            .sql(format!("ALTER TABLE {} SET WITHOUT OIDS;", name.sql()));
    }
    Ok(())
}
